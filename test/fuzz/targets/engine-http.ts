import { EngineAttack } from '../engine-attack.ts';
import { inputBytesMax, mutateBytes } from '../mutate-bytes.ts';
import type { Random } from '../random.ts';
import { expect, type FuzzTarget, type FuzzTargetKind } from '../target.ts';

/** Bytes on a connection → the engine's HTTP interface: sink/engine/http-interface.ts, in a real engine's process. */
export const engineHttp: FuzzTargetKind = {
  name: 'engine-http',
  isGuided: false,
  cpuMsMax: 1000,
  open: async () => new EngineHttpTarget(await EngineAttack.start()),
};

const head = 'Host: 127.0.0.1:{{port}}\r\nAuthorization: Basic {{reader}}\r\n';
const post = (body: string, more = '', target = '/'): string =>
  `POST ${target} HTTP/1.1\r\n${head}${more}Content-Length: ${body.length}\r\n\r\n${body}`;

const requests: readonly string[] = [
  post('SELECT 1'),
  post('SELECT 1', 'Content-Encoding: gzip\r\n'),
  post('SELECT {a:Int32}', '', '/?param_a=1&query_id=x&default_format=JSONEachRow'),
  post('', '', '/?query=SELECT%201&enable_http_compression=1'),
  post('SELECT 1').replace('{{reader}}', '{{owner}}'),
  'GET /ping HTTP/1.1\r\nHost: 127.0.0.1:{{port}}\r\n\r\n',
  `GET /?query=SELECT+1 HTTP/1.1\r\n${head}\r\n`,
  // Two ideas of where a request ends.
  `POST / HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n8\r\nSELECT 1\r\n0\r\n\r\n`,
  `POST / HTTP/1.1\r\n${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${post('SELECT 2')}`,
  `POST / HTTP/1.1\r\n${head}Content-Length: 8\r\nContent-Length: 9\r\n\r\nSELECT 1\n`,
  `POST / HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nSELECT 1`,
  `POST / HTTP/1.1\r\n${head}Transfer-Encoding : chunked\r\nX:\r\n folded\r\n\r\n8;a=b\r\nSELECT 1\r\n0\r\n\r\n`,
  post('SELECT 1') + post('SELECT 2'),
  `POST / HTTP/1.1\r\nHost: attacker\r\nContent-Length: 1000\r\n\r\n${post('SELECT 3')}`,
  `POST / HTTP/1.1\r\n${head}Expect: 100-continue\r\nContent-Length: 8\r\n\r\nSELECT 1`,
  `GET / HTTP/1.1\r\n${head}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:{{port}}\r\n\r\n',
];

const words = [
  'GET',
  'POST',
  'PUT',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'M-SEARCH',
  'HTTP/1.0',
  'HTTP/1.1',
  'HTTP/2',
  '{{reader}}',
  '{{owner}}',
  'Basic ',
  'Bearer ',
  'Origin: null\r\n',
  'Host: localhost:{{port}}\r\n',
  'Content-Type: multipart/form-data; boundary=x\r\n',
  'Content-Encoding: gzip\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: -1\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive\r\n',
  'X-ClickHouse-User: palisade\r\n',
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\0',
  '?',
  '&',
  '%',
  '%00',
  '%ff',
  '//',
  '/../',
  '?query=',
  '&param_a=',
  '&session_id=1',
  '&max_threads=',
  '&default_format=',
  '&user=',
  ' ',
  '\t',
  '\xff',
];

class EngineHttpTarget implements FuzzTarget {
  readonly seeds = requests.map((request) => Buffer.from(request, 'latin1'));
  readonly #attack: EngineAttack;

  constructor(attack: EngineAttack) {
    this.#attack = attack;
  }

  mutate(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
    if (random.oneIn(3)) return mutateBytes(random, input, other);
    let text = Buffer.from(input).toString('latin1');
    for (let change = random.below(3); change >= 0; change--) {
      const at = random.below(text.length + 1);
      const put = random.of(words).repeat(random.oneIn(32) ? random.length(8192) : 1);
      const end = random.oneIn(2) ? at : at + random.length(16);
      text = text.slice(0, at) + put + text.slice(end);
    }
    return Buffer.from(text, 'latin1').subarray(0, inputBytesMax);
  }

  async run(input: Uint8Array): Promise<void> {
    const bytes = this.#attack.filledIn(input);
    const text = bytes.toString('latin1');
    const { statuses } = await this.#attack.send(bytes, isWholeRequest(text));
    expect(
      statuses.every((status) => status >= 100 && status < 600),
      `statuses ${statuses.join(', ')}`,
    );
    // Every response is of a request that was there; one more is Node's 400 for the rest.
    const begun = text.match(/HTTP\/\d/gu)?.length ?? 0;
    const interim = statuses.filter((status) => status === 100).length;
    expect(statuses.length - interim <= begun + 1, `${statuses.length} responses to ${begun} requests`);
    await this.#attack.check();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#attack[Symbol.asyncDispose]();
  }
}

/** Whether this is surely one request as RFC 9112 has it, and all of it: then there must be an answer. */
function isWholeRequest(text: string): boolean {
  const match = /^(?:GET|POST) \/[\w?=&+.%/-]* HTTP\/1\.1\r\n((?:[\w-]+: [ -~]*\r\n)*)\r\n/u.exec(text);
  if (match === null) return false;
  const [whole, headers = ''] = match;
  if (/^(?:transfer-encoding|upgrade|expect|connection|content-encoding):/imu.test(headers)) return false;
  const lengths = [...headers.matchAll(/^content-length: (\d{1,6})\r$/gimu)];
  const body = text.length - whole.length;
  return lengths.length === 0 ? body === 0 : lengths.length === 1 && Number(lengths[0]?.[1]) === body;
}
