import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { findPins, removePins } from '../../cli/pins.ts';
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

kernelTest('all that a monitor pins is known to uninstall, and removed with its folder', async (t) => {
  const directory = pinDirectory(t);
  const monitor = openMonitor({ pinDirectory: directory, ringBytes: 4096, hierarchy: 'v2' });
  t.deepEqual([...findPins(directory)].sort(), readdirSync(directory).sort());
  await monitor.close();
  t.true(await removePins(directory));
  t.false(existsSync(directory));
});

kernelTest(
  'signals that come all the time, as a profiler sends them, do not keep the programs from being loaded',
  (t) => {
    const profiles = mkdtempSync('/tmp/palisade-profile-');
    t.teardown(() => {
      rmSync(profiles, { recursive: true });
    });
    const module = JSON.stringify(join(root, 'dist/native/monitor.js'));
    const options = JSON.stringify({ pinDirectory: pinDirectory(t), ringBytes: 4096, hierarchy: 'v2' });
    const script = `const { openMonitor } = await import(${module}); await openMonitor(${options}).close();`;
    const profiler = ['--cpu-prof', '--cpu-prof-interval=500', `--cpu-prof-dir=${profiles}`];
    const result = spawnSync(process.execPath, [...profiler, '--input-type=module', '--eval', script], {
      encoding: 'utf8',
    });
    t.is(result.status, 0, result.stderr);
  },
);

kernelTest('the layout that TypeScript reads events by is what the object’s BTF says', (t) => {
  const result = spawnSync('npx', ['node', 'native/generate-layout.ts', '--check'], { cwd: root, encoding: 'utf8' });
  t.is(result.status, 0, result.stderr);
});

/** What openMonitor throws in a process started by setpriv with these arguments. */
function refusal(
  pinDirectory: string,
  ...privileges: readonly string[]
): { readonly code: string; readonly program: string; readonly message: string } {
  const script = `
    import { openMonitor } from ${JSON.stringify(join(root, 'dist/native/monitor.js'))};
    try {
      openMonitor({ pinDirectory: ${JSON.stringify(pinDirectory)}, ringBytes: 4096, hierarchy: 'v2' });
    } catch ({ code, program, message }) {
      console.log(JSON.stringify({ code, program, message }));
    }`;
  const args = [...privileges, process.execPath, '--input-type=module', '-e', script];
  const { stdout } = spawnSync('setpriv', args, { encoding: 'utf8', cwd: '/' });
  return JSON.parse(stdout) as ReturnType<typeof refusal>;
}

kernelTest('a monitor without privileges is refused with the remedy', (t) => {
  const { code, message } = refusal(pinDirectory(t), '--reuid=65534', '--clear-groups');
  t.is(code, 'KERNEL_REFUSED');
  t.regex(message, /Run it as root/);
});

kernelTest('a program that the kernel refuses is named, with what it hooks and the remedy', (t) => {
  // May make maps (CAP_BPF), may not trace (CAP_PERFMON).
  const { code, program, message } = refusal(pinDirectory(t), '--bounding-set=-perfmon,-sys_admin');
  t.is(code, 'KERNEL_REFUSED');
  t.regex(program, /^[a-z_]+$/);
  t.true(message.startsWith(`Could not load the program ${program} (tp_btf/`), message);
  t.regex(message, /Operation not permitted.*Run it as root, or with CAP_BPF, CAP_PERFMON/);
});
