import fc from 'fast-check';
import type { RawEventBatch } from '../../schemas/generated.ts';
import { bytesOf, containerDescriptor, TestNode, type TestProcess } from './raw-batch.ts';

/** One step of a random life of a node; numbers choose among what there is. */
export type Step =
  | { readonly do: 'fork' | 'exit' | 'existing' | 'drop'; readonly who: number; readonly cpu: number }
  | { readonly do: 'exec' | 'open'; readonly who: number; readonly what: number; readonly cpu: number }
  | { readonly do: 'describe'; readonly who: number; readonly what: number }
  | { readonly do: 'batch' | 'counters' | 'again' | 'session' };

const who = fc.nat(20);
const what = fc.nat(5);
const cpu = fc.nat(3);

/** Steps of a life of a node. */
export const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('fork' as const), who, cpu }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('exec' as const, 'open' as const), who, what, cpu }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('exit' as const, 'drop' as const), who, cpu }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('existing' as const), who, cpu }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('describe' as const), who, what }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('batch' as const, 'counters' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('again' as const, 'session' as const) }) },
  ),
  { maxLength: 120, size: 'max' },
);

const programs = ['/bin/dash', '/usr/bin/ls', '/usr/sbin/nginx', '/opt/\u00fcber', '/bin/busybox', '/tmp/x y'];

/** What a node tells that takes these steps. */
export function live(nodeId: string, taken: readonly Step[]): RawEventBatch[] {
  const node = new TestNode({ nodeId });
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  const processes: TestProcess[] = [init, node.process({ parent: init, containerCgroupId: 7n })];
  const chosen = (number: number): TestProcess => processes[number % processes.length] ?? init;
  const batches: RawEventBatch[] = [];
  let containers: RawEventBatch['containers'] = [];
  const close = (counters: boolean): void => {
    batches.push(node.batch({ containers, counters }));
    containers = [];
  };
  for (const step of taken) {
    switch (step.do) {
      case 'fork':
        processes.push(node.fork(chosen(step.who), { cpu: step.cpu }));
        break;
      case 'exec': {
        const program = programs[step.what] ?? '/bin/true';
        node.exec(chosen(step.who), program, { cpu: step.cpu, arguments: [program, `-${step.what}`] });
        break;
      }
      case 'open':
        node.open(chosen(step.who), bytesOf(`/data/${step.what}`), { cpu: step.cpu });
        break;
      case 'exit':
        node.exit(chosen(step.who), { cpu: step.cpu });
        break;
      case 'drop':
        node.drop('open', step.cpu);
        break;
      case 'existing':
        node.existing(chosen(step.who));
        break;
      case 'describe': {
        const name = `name-${step.what}`;
        const cgroupId = chosen(step.who).containerCgroupId;
        containers = [...containers, containerDescriptor({ cgroupId, version: step.what + 1, name })];
        break;
      }
      case 'batch':
      case 'counters':
        close(step.do === 'counters');
        break;
      case 'again': {
        // As after a kill between append and release: the rows of the last batch once more.
        const last = batches.at(-1);
        if (last !== undefined) batches.push(last);
        break;
      }
      case 'session':
        batches.push(node.batch({ containers, sessionEnded: true }));
        containers = [];
        node.beginSession(node.timeNs);
        break;
    }
  }
  close(true);
  return batches;
}
