import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { conformance } from './conformance.ts';
import { temporaryDirectory } from './temporary-directory.ts';

conformance('embedded', async (t, retention = {}) => {
  const log = await EmbeddedEventLog.open({ directory: temporaryDirectory(t), retention });
  t.teardown(() => log[Symbol.asyncDispose]());
  return log;
});
