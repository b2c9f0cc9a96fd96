import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { FileObject, SocketAddress } from '../../schemas/generated.ts';
import { collectorOptions, startCollector, type CollectedEvent, type CollectorRun } from '../support/collector-run.ts';
import { whyNoKernelTests } from '../support/kernel-capture.ts';
import { testProgram } from '../support/programs.ts';
import { Containers, whyNoContainers } from '../support/runc-container.ts';
import { operationCases } from './operations/all-cases.ts';
import { addressText, type OperationCase, type Performed } from './operations/operation-case.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);
const noContainers = reason ?? whyNoContainers();
const containerTest = noContainers === undefined ? test.serial : test.serial.skip;
if (noContainers !== reason) console.log(`skipped: ${noContainers}`);

/** What an event names: each part with how it was had, and as text. */
function partsOf({ batch, row }: CollectedEvent): Record<string, { readonly source: string; readonly text: string }> {
  const parts: Record<string, { source: string; text: string }> = {};
  const putFile = (part: string, file: FileObject | undefined): void => {
    if (file === undefined) return;
    parts[part] = {
      source: file.pathSource,
      text: Buffer.from(batch.strings[file.path] ?? []).toString('latin1'),
    };
  };
  const putAddress = (part: string, address: SocketAddress | undefined): void => {
    if (address !== undefined) parts[part] = { source: address.source, text: addressText(address) };
  };
  const isRename = row.operation === 'rename';
  putFile(isRename ? 'old path' : 'path', batch.files[row.file]);
  putFile('new path', batch.files[row.newFile]);
  putFile('interpreter', batch.files[batch.execs[row.exec]?.interpreterFile ?? -1]);
  const isPeer = row.operation === 'connect' || row.operation === 'accept';
  putAddress(isPeer ? 'peer address' : 'address', batch.addresses[row.address]);
  putAddress('local address', batch.addresses[row.localAddress]);
  return parts;
}

/** Makes an act and returns what is told of it: of a process that did it more than once, the last. */
async function performed(
  collector: CollectorRun,
  { operation }: OperationCase,
  act: OperationCase['acts'][string],
): Promise<{ readonly made: Performed; readonly event: CollectedEvent }> {
  const directory = realpathSync(mkdtempSync('/tmp/palisade-operations-'));
  const undos: (() => void)[] = [];
  try {
    const made = await act({
      directory,
      run: (program, args, { cwd = '/' } = {}) => {
        const { pid, stdout, error } = spawnSync(testProgram(program), args, { cwd, encoding: 'utf8' });
        if (error !== undefined) throw error;
        return { hostPid: pid, stdout };
      },
      atEnd: (undo) => undos.push(undo),
    });
    const isIts = ({ process }: CollectedEvent): boolean => process.hostPid === made.hostPid;
    await collector.arrived((event) => isIts(event) && event.row.operation === 'exit');
    const event = collector.events.findLast((one) => isIts(one) && one.row.operation === operation);
    if (event === undefined) throw new Error(`nothing of ${operation} was told`);
    return { made, event };
  } finally {
    for (const undo of undos.reverse()) undo();
    rmSync(directory, { recursive: true });
  }
}

kernelTest('what each operation names, and how it was had, is what docs/operations.md says', async (t) => {
  await using collector = await startCollector(collectorOptions(t));
  for (const one of operationCases) {
    for (const [call, act] of Object.entries(one.acts)) {
      const { made, event } = await performed(collector, one, act);
      const expected = Object.entries(one.sources).map(([part, source]) => [
        part,
        { source, text: made.expected[part as keyof typeof made.expected] },
      ]);
      t.deepEqual<unknown, unknown>(partsOf(event), Object.fromEntries(expected), `${call}: ${one.when}`);
    }
  }
});

containerTest('in a container names are as its root shows them, and the act is the container’s', async (t) => {
  await using containers = new Containers();
  copyFileSync(testProgram('names'), join(containers.rootfs, 'bin/names'));
  writeFileSync(join(containers.rootfs, 'tmp/file'), '');
  await using collector = await startCollector(collectorOptions(t));
  const id = `palisade-names-${process.pid}`;
  t.is(
    await containers.run(id, { args: ['/bin/names', 'renameat2', '/tmp', 'file', 'cwd', 'tmp/../new', '0'] }),
    '0\n',
  );
  const renamed = await collector.arrived(
    ({ row, executable }) => row.operation === 'rename' && executable === '/bin/names',
  );
  t.deepEqual(partsOf(renamed), {
    'old path': { source: 'directoryAndName', text: '/tmp/file' },
    'new path': { source: 'baseAndText', text: '/new' },
  });
  t.is(renamed.container?.containerId, id);
  t.is(renamed.process.pid, 1);
  t.is(await containers.run(`${id}-2`, { args: ['/bin/names', 'unlink', 'new'] }), '0\n');
  const removed = await collector.arrived(
    ({ row, executable }) => row.operation === 'unlink' && executable === '/bin/names',
  );
  t.deepEqual(partsOf(removed), { path: { source: 'directoryAndName', text: '/new' } });
  t.is(removed.container?.containerId, `${id}-2`);
});
