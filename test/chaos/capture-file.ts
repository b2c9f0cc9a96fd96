import path from 'node:path';
import { packageRoot } from '../../cli/package-root.ts';

/** The capture of the story: test/chaos/record.ts makes it. */
export function captureFile(): string {
  return path.join(packageRoot(), 'test/chaos/capture.avro');
}
