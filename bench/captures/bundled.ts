import path from 'node:path';
import { packageRoot } from '../../cli/package-root.ts';

/** Name of the container in which the project was built. */
export const buildContainerName = 'palisade-build';

/** The bundled capture of a build: at least 30 % of its events are forks, execs and exits. record.ts makes it. */
export function buildCaptureFile(): string {
  return path.join(packageRoot(), 'bench/captures/build.avro');
}
