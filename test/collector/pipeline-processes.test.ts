import test from 'ava';
import { PipelineProcesses } from '../../collector/pipeline-processes.ts';

test('processes are registered once, whether they come before the monitor or while it runs', (t) => {
  const registered: number[] = [];
  const processes = new PipelineProcesses();
  processes.add(1);
  processes.add(2);
  t.deepEqual(registered, []);
  processes.handTo((hostPid) => {
    registered.push(hostPid);
  });
  processes.add(3);
  t.deepEqual(registered, [1, 2, 3]);
});
