import test from 'ava';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { FlowHome } from '../support/flow-home.ts';

interface ShownAlert {
  readonly PolicyName: string;
  readonly Resource: string;
}

function linesOf(output: string): readonly ShownAlert[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ShownAlert);
}

const at = (unixMs: number): string => new Date(unixMs).toISOString();

test('alerts shows what comes and what is stored, and loss says until when nothing was missed', async (t) => {
  await using home = new FlowHome();
  const early = await home.run(['alerts', '-f']);
  t.is(early.code, 69, early.errors);
  t.regex(early.errors, /not running/u);
  const unwatched = await home.run(['loss']);
  t.is(unwatched.code, 1, unwatched.errors);
  t.regex(unwatched.output, /^unknown from .* because nothing was ever watched$/mu);

  const up = await home.up();
  const follower = home.start(['alerts', '-f', '--limit', '1', '--policy', 'acts', '--since', '1m', '--json']);
  const path = home.act('one\u001b[2J\nforged');
  const followed = await follower.ended;
  t.is(followed.code, 0, followed.errors);
  t.deepEqual(
    linesOf(followed.output).map((alert) => alert.Resource),
    [path],
  );
  await home.settled();
  const watchedMs = Date.now();
  const stored = await home.run(['alerts', '--policy', 'acts', '--since', '1m']);
  t.is(stored.code, 0, stored.errors);
  t.regex(stored.output, /opened \S*\/one\\x1b\[2J\\nforged$/mu, 'as `up` prints it');
  // Coverage comes once a second, and the sink stores it a moment later.
  const whole = await eventually('coverage of what was watched', async () => {
    const told = await home.run(['loss', '--from', at(watchedMs - 200), '--to', at(watchedMs + 500)]);
    return told.code === 0 ? told : undefined;
  });
  t.regex(whole.output, /^complete from /u);

  up.kill('SIGKILL');
  await up.ended;
  const killedMs = Date.now();
  await delay(1000);
  const after = await home.run(['loss', '--json', '--from', at(watchedMs), '--to', at(killedMs + 800)]);
  t.is(after.code, 1, after.errors);
  const report = JSON.parse(after.output) as { unknown: { reason: string }[] };
  t.is(report.unknown.at(-1)?.reason, 'notCovered', 'a node that has gone silent is unknown');

  const again = await home.up();
  await home.settled();
  const gap = await eventually('coverage of the gap', async () => {
    const { output } = await home.run(['loss', '--from', at(watchedMs), '--to', at(Date.now())]);
    return output.includes('because no monitor was attached') ? output : undefined;
  });
  t.regex(gap, /^unknown from /mu);
  again.kill('SIGTERM');
  await again.ended;
  const stopped = await home.run(['alerts', '--policy', 'acts', '--json']);
  t.deepEqual(
    linesOf(stopped.output).map((alert) => alert.Resource),
    [path],
    'also after the end of `up`',
  );
});
