import test from 'ava';
import { ContainerFailed, runThrowaway } from '../../cli/demo/throwaway-container.ts';
import { whyNoContainers } from '../support/runc-container.ts';

const reason = whyNoContainers();
const containerTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

containerTest('a container whose first process is missing fails with what runc said, on one line', async (t) => {
  const error = await t.throwsAsync(
    runThrowaway({
      name: `palisade-test-${process.pid}`,
      makeRoot: () => Promise.resolve(),
      command: ['/missing'],
      input: '',
      timeoutMs: 60_000,
      signal: new AbortController().signal,
    }),
    { instanceOf: ContainerFailed, message: /^runc ended with \d+: .*\/missing/u },
  );
  t.notRegex(error.message, /\n/u);
});
