import test, { type ExecutionContext } from 'ava';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ConfigError, resolveConfig, type ConfigSources } from '../../cli/config.ts';
import { parseDuration, parseSize } from '../../cli/units.ts';

function sources(given: Partial<ConfigSources>): ConfigSources {
  return { flags: {}, environment: {}, ...given };
}

// The rows of the tables have files, too: before any test runs.
const folder = mkdtempSync(path.join(os.tmpdir(), 'palisade-test-'));
test.after.always(() => {
  rmSync(folder, { recursive: true });
});

function configFile(text: string): string {
  const file = path.join(mkdtempSync(path.join(folder, 'file-')), 'palisade.yaml');
  writeFileSync(file, text);
  return file;
}

test('flags win over the environment, the environment over the file, the file over defaults', (t) => {
  const file = configFile('ringSize: 1MiB\nretentionAge: 1d\nretentionSize: 32MiB\n');
  const environment = { PALISADE_RING_SIZE: '2MiB', PALISADE_RETENTION_AGE: '2d' };
  const config = resolveConfig({ flags: { ringSize: '4MiB' }, environment, file }, true);
  t.is(config.ringSize, 4 * 2 ** 20);
  t.is(config.retentionAge, 2 * 86_400_000);
  t.is(config.retentionSize, 32 * 2 ** 20);
  t.is(config.durability, 'group');
});

test('root keeps its data in /var/lib/palisade, others where XDG says', (t) => {
  t.is(resolveConfig(sources({}), true).dataDirectory, '/var/lib/palisade');
  const environment = { XDG_STATE_HOME: '/state' };
  t.is(resolveConfig(sources({ environment }), false).dataDirectory, '/state/palisade');
});

test('a relative XDG_STATE_HOME is ignored, as its specification demands', (t) => {
  const { dataDirectory } = resolveConfig(sources({ environment: { XDG_STATE_HOME: 'state' } }), false);
  t.is(dataDirectory, path.join(os.homedir(), '.local/state/palisade'));
});

test('policies in the environment are separated by colons', (t) => {
  const { policies } = resolveConfig(sources({ environment: { PALISADE_POLICIES: '/a:/b' } }), true);
  t.deepEqual(policies, ['/a', '/b']);
});

function refuses(t: ExecutionContext, given: Partial<ConfigSources>, source: RegExp, message: RegExp): void {
  const error = t.throws(() => resolveConfig(sources(given), true), {
    instanceOf: ConfigError,
    code: 'CONFIG_INVALID',
  });
  t.regex(error.source, source);
  t.regex(error.message, message);
}

test(
  'an unknown variable is an error that names the nearest setting',
  refuses,
  { environment: { PALISADE_RINGSIZE: '1MiB' } },
  /^environment$/u,
  /did you mean PALISADE_RING_SIZE\?/u,
);
test(
  'an unknown key of the file is an error with its line',
  refuses,
  { file: configFile('ringSize: 1MiB\nretentionSiez: 1GiB\n') },
  /palisade\.yaml:2$/u,
  /did you mean retentionSize\?/u,
);
test(
  'an unknown key that is like none is an error without a suggestion',
  refuses,
  { file: configFile('entirelyElse: 1\n') },
  /:1$/u,
  /is no setting$/u,
);
test(
  'a size without a unit is refused with what was expected',
  refuses,
  { flags: { ringSize: '8' } },
  /^flag --ring-size$/u,
  /KiB, MiB or GiB/u,
);
test(
  'a ring that is no power of two is refused',
  refuses,
  { flags: { ringSize: '3MiB' } },
  /ring-size/u,
  /power of two/u,
);
test('a ring above the limit is refused', refuses, { flags: { ringSize: '1GiB' } }, /ring-size/u, /4KiB to 256MiB/u);
test(
  'a relative data directory is refused',
  refuses,
  { flags: { dataDirectory: 'data' } },
  /data-directory/u,
  /absolute/u,
);
test(
  'a node id that could break a key is refused',
  refuses,
  { environment: { PALISADE_NODE_ID: 'a/b' } },
  /NODE_ID/u,
  /letters, digits/u,
);
test('a value of another type is refused', refuses, { file: configFile('policies: 7\n') }, /:1$/u, /policies/u);
test('a file that is no mapping is refused', refuses, { file: configFile('- a\n') }, /yaml$/u, /mapping/u);
test(
  'a file that is no YAML is refused with its line',
  refuses,
  { file: configFile('a: "b\n') },
  /:\d+$/u,
  /is not YAML/u,
);
test(
  'a file that is not there is refused',
  refuses,
  { file: '/nonexistent/palisade.yaml' },
  /nonexistent/u,
  /can't be read/u,
);

test('an empty file changes nothing', (t) => {
  t.deepEqual(resolveConfig(sources({ file: configFile('') }), true), resolveConfig(sources({}), true));
});

function size(t: ExecutionContext, text: string, bytes: number | undefined): void {
  t.is(parseSize(text), bytes);
}
test('1KiB is 1024 bytes', size, '1KiB', 1024);
test('8MiB is eight times 2^20 bytes', size, '8MiB', 8 * 2 ** 20);
test('a fraction is no size', size, '1.5MiB', undefined);
test('a decimal unit is no size', size, '1MB', undefined);
test('a negative number is no size', size, '-1MiB', undefined);

function duration(t: ExecutionContext, text: string, milliseconds: number | undefined): void {
  t.is(parseDuration(text), milliseconds);
}
test('250ms is 250 milliseconds', duration, '250ms', 250);
test('7d is seven days', duration, '7d', 7 * 86_400_000);
test('a bare number is no duration', duration, '250', undefined);
test('text after the unit is no duration', duration, '1h30m', undefined);
