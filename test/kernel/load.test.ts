import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';
import { KernelError } from '../../native/kernel-error.ts';
import { openMonitor } from '../../native/monitor.ts';
import { pinDirectory, whyNoKernelTests } from '../support/kernel-capture.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

const root = join(import.meta.dirname, '../../..');

for (const hierarchy of ['v2', 'pids'] as const) {
  kernelTest(`every program loads and attaches on this kernel, with ${hierarchy} deciding`, async (t) => {
    try {
      const monitor = openMonitor({ pinDirectory: pinDirectory(t), ringBytes: 4096, hierarchy });
      monitor.detach();
      await monitor.close();
      t.pass();
    } catch (error) {
      if (error instanceof KernelError) t.log(error.complaint);
      throw error;
    }
  });
}

kernelTest('the layout that TypeScript reads events by is what the object’s BTF says', (t) => {
  const result = spawnSync('npx', ['node', 'native/generate-layout.ts', '--check'], { cwd: root, encoding: 'utf8' });
  t.is(result.status, 0, result.stderr);
});

kernelTest('a monitor without privileges is refused with the remedy', (t) => {
  const script = `
    import { openMonitor } from ${JSON.stringify(join(root, 'dist/native/monitor.js'))};
    try {
      openMonitor({ pinDirectory: '/sys/fs/bpf/palisade-nobody', ringBytes: 4096, hierarchy: 'v2' });
    } catch (error) {
      console.log(JSON.stringify({ code: error.code, message: error.message }));
    }`;
  const result = spawnSync(
    'setpriv',
    ['--reuid=65534', '--clear-groups', process.execPath, '--input-type=module', '-e', script],
    {
      encoding: 'utf8',
      cwd: '/',
    },
  );
  const { code, message } = JSON.parse(result.stdout) as { readonly code: string; readonly message: string };
  t.is(code, 'KERNEL_REFUSED');
  t.regex(message, /Run it as root/);
});
