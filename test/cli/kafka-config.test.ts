import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { ConfigError, type ConfigSources } from '../../cli/config.ts';
import { kafkaConnection, resolveTopicsConfig } from '../../cli/kafka-config.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

function resolve(given: Partial<ConfigSources>) {
  return resolveTopicsConfig({ flags: {}, environment: {}, ...given });
}

function connect(flags: Readonly<Record<string, unknown>>, environment: Readonly<Record<string, string>> = {}) {
  return kafkaConnection(resolve({ flags: { kafkaBrokers: 'k:9092', ...flags }, environment }), 'me');
}

test('brokers may be a list of the file, or text with commas anywhere', (t) => {
  const file = join(temporaryDirectory(t), 'palisade.yaml');
  writeFileSync(file, 'kafkaBrokers:\n  - a:9092\n  - "[::1]:9093"\ntopicPartitions: 8\nringSize: 1MiB\n');
  t.like(resolve({ file }), { kafkaBrokers: ['a:9092', '[::1]:9093'], topicPartitions: 8 });
  const environment = { PALISADE_KAFKA_BROKERS: 'b:1, c:2', PALISADE_TOPIC_PARTITIONS: '9' };
  t.like(resolve({ file, environment }), { kafkaBrokers: ['b:1', 'c:2'], topicPartitions: 9 });
  t.deepEqual(resolve({ file, environment, flags: { kafkaBrokers: 'd:3' } }).kafkaBrokers, ['d:3']);
});

test('of three replicas two must be in sync, of fewer one, unless somebody says otherwise', (t) => {
  const inSync = (flags: Readonly<Record<string, string>>): number => resolve({ flags }).topicMinInsyncReplicas;
  t.is(inSync({}), 2);
  t.is(inSync({ topicReplicas: '2' }), 1);
  t.is(inSync({ topicReplicas: '1' }), 1);
  t.is(inSync({ topicReplicas: '5', topicMinInsyncReplicas: '4' }), 4);
});

for (const [key, value, message] of [
  ['kafkaBrokers', '', /must be HOST:PORT, several with commas/u],
  ['kafkaBrokers', 'host', /must be HOST:PORT/u],
  ['kafkaBrokers', 'host:0', /must be HOST:PORT/u],
  ['kafkaBrokers', 'host:65536', /must be HOST:PORT/u],
  ['kafkaBrokers', 'a:1,,b:2', /must be HOST:PORT/u],
  ['kafkaBrokers', 'kafka://host:9092', /must be HOST:PORT/u],
  ['kafkaBrokers', 'a b:9092', /must be HOST:PORT/u],
  ['kafkaPrefix', 'a/b', /must be letters, digits, dots, dashes or underscores/u],
  ['kafkaPrefix', 'x'.repeat(201), /200/u],
  ['kafkaTls', 'yes', /off.*on/u],
  ['kafkaSasl', 'gssapi', /scram-sha-512/u],
  ['kafkaCaFile', 'ca.pem', /must be an absolute path/u],
  ['topicPartitions', '0', /must be a whole number from 1 to 1000/u],
  ['topicPartitions', '-1', /whole number|match/u],
  ['topicPartitions', '1e3', /whole number|match/u],
  ['topicPartitions', '1001', /must be a whole number from 1 to 1000/u],
  ['topicReplicas', 'NaN', /whole number|match/u],
  ['retentionAge', '7', /must be a duration with ms, s, m, h or d/u],
  ['topicMinInsyncReplicas', '4', /asks for 4 of 3 replicas: nothing could be written/u],
] as const) {
  test(`${key} ${JSON.stringify(value.slice(0, 20))} is refused by name`, (t) => {
    const error = t.throws(() => resolve({ flags: { [key]: value } }), { instanceOf: ConfigError, message });
    t.is(error.key, key);
    t.notRegex(error.message, /\n/u);
  });
}

test('a variable that is nearly one of these is told', (t) => {
  t.throws(() => resolve({ environment: { PALISADE_KAFKA_BROKER: 'a:1' } }), {
    message: /did you mean PALISADE_KAFKA_BROKERS\?/u,
  });
});

test('without brokers there is no cluster', (t) => {
  t.throws(() => kafkaConnection(resolve({}), 'me'), { message: /kafkaBrokers is needed/u });
});

test('without TLS and SASL a connection is plain', (t) => {
  t.deepEqual(connect({}), { brokers: ['k:9092'], clientId: 'me' });
});

test('SCRAM and PLAIN take a name, and the password from environment or file', (t) => {
  const environment = { PALISADE_KAFKA_PASSWORD: 'secret' };
  for (const mechanism of ['scram-sha-256', 'scram-sha-512']) {
    const { sasl } = connect({ kafkaSasl: mechanism, kafkaUsername: 'u' }, environment);
    t.deepEqual(sasl as unknown, { mechanism, username: 'u', password: 'secret' });
  }
  const { sasl, ssl } = connect({ kafkaSasl: 'plain', kafkaUsername: 'u', kafkaTls: 'on' }, environment);
  t.deepEqual(sasl as unknown, { mechanism: 'plain', username: 'u', password: 'secret' });
  t.deepEqual(ssl, {});
  const loopback = { kafkaSasl: 'plain', kafkaUsername: 'u', kafkaBrokers: 'localhost:1,127.0.0.1:2,[::1]:3' };
  t.truthy(connect(loopback, environment).sasl);
});

test('certificates are read, and a file that has none is refused by its setting', (t) => {
  const folder = temporaryDirectory(t);
  const [ca, cert, key, empty] = ['ca', 'cert', 'key', 'empty'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  for (const file of [ca, cert, key]) writeFileSync(file, `-----BEGIN X-----\n${file}\n-----END X-----\n`);
  writeFileSync(empty, 'nothing');
  const tls = { kafkaTls: 'on', kafkaCaFile: ca };
  t.like(connect({ ...tls, kafkaCertificateFile: cert, kafkaKeyFile: key }), {
    ssl: { ca: `-----BEGIN X-----\n${ca}\n-----END X-----\n`, key: `-----BEGIN X-----\n${key}\n-----END X-----\n` },
  });
  t.throws(() => connect({ kafkaTls: 'on', kafkaCaFile: empty }), { message: /kafkaCaFile has nothing in PEM/u });
  t.throws(() => connect({ kafkaTls: 'on', kafkaCaFile: join(folder, 'absent') }), {
    message: /kafkaCaFile can't be read: ENOENT/u,
  });
  t.throws(() => connect({ ...tls, kafkaKeyFile: key }), { message: /kafkaCertificateFile is needed/u });
  t.throws(() => connect({ ...tls, kafkaCertificateFile: cert }), { message: /kafkaKeyFile is needed/u });
});

for (const [flags, message] of [
  [{ kafkaCaFile: '/ca.pem' }, /kafkaCaFile is given and kafkaTls is off/u],
  [{ kafkaUsername: 'u' }, /kafkaUsername is given and kafkaSasl is not/u],
  [{ kafkaSasl: 'scram-sha-512' }, /kafkaUsername is needed with kafkaSasl scram-sha-512/u],
  [{ kafkaSasl: 'scram-sha-512', kafkaUsername: 'u' }, /kafkaPassword is needed.*PALISADE_KAFKA_PASSWORD/u],
] as const) {
  test(`${JSON.stringify(flags)} alone is half of something and is refused`, (t) => {
    t.throws(() => connect(flags), { instanceOf: ConfigError, message });
  });
}

test('a password is never sent readable over a network, and is in no message', (t) => {
  const environment = { PALISADE_KAFKA_PASSWORD: 'secret' };
  const error = t.throws(() => connect({ kafkaSasl: 'plain', kafkaUsername: 'u' }, environment), {
    message: /plain would send the password over the network as it is: turn kafkaTls on/u,
  });
  t.notRegex(error.message, /secret/u);
  const long = { PALISADE_KAFKA_PASSWORD: 'secret'.repeat(1000) };
  t.notRegex(t.throws(() => resolve({ environment: long })).message, /secret{2}|secretsecret/u);
});
