import test from 'ava';
import { pipeline } from '../../cli/roles.ts';
import { runProcessors } from '../eventlog/run-processor.ts';
import { captureFile } from './capture-file.ts';
import { leastOf, shortfallsOf } from './chaos-run.ts';
import { ChaosStream } from './stream.ts';

test('the story has enough alerts, changes of policies and containers that come while it goes on, each time it is told', async (t) => {
  const stream = await ChaosStream.read(captureFile());
  const { policyChanges, arrivals } = stream;
  const records = Array.from({ length: 2 * stream.storyLength }, (_, place) => stream.at(place));
  const alerts = (await runProcessors([pipeline()], records)).flatMap((record) =>
    record.topic === 'alerts' && record.value !== undefined ? [record.value] : [],
  );
  const perNode = new Map<string, string[]>();
  for (const { nodeId, policyName, severity } of alerts) {
    perNode.set(nodeId, [...(perNode.get(nodeId) ?? []), `${policyName} ${severity}`]);
  }
  const [first, second, ...rest] = [...perNode.values()];
  t.deepEqual(rest, []);
  t.deepEqual(first, second, 'the second time it is judged by the same policies');
  t.deepEqual(shortfallsOf({ alerts: first?.length ?? 0, policyChanges, arrivals }), []);
  t.deepEqual(
    [...new Set(first)].sort(),
    ['shell-reads 5', 'sleepers 2', 'spool-files 4', 'spool-files 7'],
    'what was added, removed and changed shows',
  );
});

test('a run that expects nothing, or little, fails', (t) => {
  t.deepEqual(shortfallsOf({ ...leastOf }), []);
  t.deepEqual(shortfallsOf({ alerts: 0, policyChanges: 0, arrivals: 0 }), [
    'only 0 alerts were expected, less than 10000',
    'only 0 policyChanges were expected, less than 3',
    'only 0 arrivals were expected, less than 20',
  ]);
});
