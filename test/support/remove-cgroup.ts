import { rmdirSync } from 'node:fs';
import { eventually } from './eventually.ts';

/** Removes a cgroup once its last process has let go of it: one that was killed is in it until it is gone. */
export async function removeCgroup(directory: string): Promise<void> {
  await eventually(`${directory} is empty`, () => {
    try {
      rmdirSync(directory);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EBUSY') return undefined;
      throw error;
    }
  });
}
