import test from 'ava';
import { dataLayout, makeDataDirectory } from '../../cli/data-directory.ts';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { sampleAlert } from '../support/alert.ts';
import { PalisadeHome } from '../support/palisade-process.ts';

test('alerts -f goes on behind a record that cannot be read, and ends after its limit', async (t) => {
  await using home = new PalisadeHome();
  const layout = dataLayout(home.dataDirectory);
  await makeDataDirectory(layout);
  await using log = await EmbeddedEventLog.open({ directory: layout.log });
  const timeUnixNs = BigInt(Date.now()) * 1_000_000n;
  await log.append([
    { topic: 'alerts', key: 'node-1', encodedValue: Buffer.of(255, 255, 255) },
    { topic: 'alerts', key: 'node-1', value: sampleAlert({ timeUnixNs: 1n, resource: 'long ago' }) },
    { topic: 'alerts', key: 'node-1', value: sampleAlert({ timeUnixNs, resource: 'before' }) },
  ]);
  const follower = home.start(['alerts', '-f', '--since', '1h', '--limit', '2', '--severity', '1', '--json']);
  await follower.says(/before/u);
  await log.append([
    { topic: 'alerts', key: 'node-1', value: sampleAlert({ timeUnixNs, resource: 'unwanted', severity: '' }) },
    { topic: 'alerts', key: 'node-1', value: sampleAlert({ timeUnixNs, resource: 'after\u009b' }) },
  ]);
  const { code, output, errors } = await follower.ended;
  t.is(code, 0, errors);
  const resources = output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { Resource: string }).Resource);
  t.deepEqual(resources, ['before', 'after\u009b']);
  t.regex(errors, /RECORD_UNREADABLE/u);
  t.notRegex(output, /\u009b/u);
});
