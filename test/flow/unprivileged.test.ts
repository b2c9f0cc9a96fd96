import { chownSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import { story } from '../../cli/demo/story.ts';
import { eventually } from '../support/eventually.ts';
import { PalisadeProcess, type Outcome, type StartOptions } from '../support/palisade-process.ts';

/** Debian's `nobody`, who owns nothing. */
const nobody = 65_534;

/** A user without rights, with a state directory that is theirs. */
class UnprivilegedUser implements AsyncDisposable {
  readonly stateHome = mkdtempSync(path.join(os.tmpdir(), 'palisade-nobody-'));
  readonly #started: PalisadeProcess[] = [];

  constructor() {
    chownSync(this.stateHome, nobody, nobody);
  }

  start(arguments_: readonly string[]): PalisadeProcess {
    const options: StartOptions = {
      through: ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'],
      environment: { PATH: '/usr/bin:/bin', XDG_STATE_HOME: this.stateHome, HOME: '/nonexistent' },
    };
    const started = new PalisadeProcess(arguments_, options);
    this.#started.push(started);
    return started;
  }

  async run(arguments_: readonly string[]): Promise<Outcome> {
    return this.start(arguments_).ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of this.#started) await started.end();
    rmSync(this.stateHome, { recursive: true, force: true });
  }
}

interface RecordedAlert {
  readonly policy_name: string;
  readonly origin: string;
}

test('without root `up` says so in one message, and plays the recording through the same pipeline to SQL, each alert marked', async (t) => {
  await using user = new UnprivilegedUser();
  const up = user.start(['up']);
  await up.says(/The recording is over/u);
  // It is over when all is appended; the alerts come behind, in the order of the story.
  const isShown = (line: string): boolean => /^\d\d:\d\d:\d\d\.\d{3} {2}/u.test(line);
  const alerts = await eventually('every alert of the story is shown', () => {
    const lines = up.output.split('\n').filter(isShown);
    return lines.length >= story.length ? lines : undefined;
  });

  const reasons = /This machine's kernel can't be watched:\n((?: {2}.+\n)+)/u.exec(up.output)?.[1] ?? '';
  t.regex(reasons, /\broot\b/u, up.output);
  t.is(up.output.split("can't be watched").length, 2, 'once');
  for (const { policy } of story) t.true(up.output.includes(policy), policy);
  t.is(alerts.length, story.length);
  t.true(
    alerts.every((line) => line.includes('[recording]')),
    alerts.join('\n'),
  );

  const query = ['sql', '--json', 'SELECT policy_name, origin FROM alerts ORDER BY kernel_time_ns'] as const;
  const rowsOf = ({ code, output, errors }: Outcome): readonly RecordedAlert[] => {
    t.is(code, 0, errors);
    return output
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as RecordedAlert);
  };
  const expected = story.map(({ policy }) => ({ policy_name: policy, origin: 'recording' }));
  const stored = await eventually('every alert is stored', async () => {
    const rows = rowsOf(await user.run(query));
    return rows.length >= story.length ? rows : undefined;
  });
  t.deepEqual(stored, expected, 'while it runs');

  up.kill('SIGINT');
  const { code, errors } = await up.ended;
  t.is(code, 0, errors);
  t.is(errors, '');
  t.deepEqual(rowsOf(await user.run(query)), expected, 'and after it has stopped');
  t.true(existsSync(path.join(user.stateHome, 'palisade')));
  t.is(statSync(path.join(user.stateHome, 'palisade/log')).mode & 0o077, 0, 'what was seen is for nobody else to read');
});

test('without root the demo says so, plays the recording, and is a success only where that was asked for', async (t) => {
  await using user = new UnprivilegedUser();
  const demo = await user.run(['demo']);
  t.is(demo.code, 69);
  t.regex(demo.output, /needs root/u);
  t.is(
    demo.output.split('[recording]').length - 1,
    story.length + 1,
    'every alert is marked, and the mark is explained',
  );

  const recorded = await user.run(['demo', '--recorded']);
  t.is(recorded.code, 0, recorded.errors);
  t.true(recorded.output.split('[recording]').length - 1 >= story.length);
});
