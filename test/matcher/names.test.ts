import test from 'ava';
import type { Alert, RawEventBatch } from '../../schemas/generated.ts';
import { alertsOf } from '../support/match.ts';
import { hostDescriptor, TestNode, type NameOptions } from '../support/raw-batch.ts';

// What unlink, rmdir and rename mean to rules: acts that write, on one name or two.

interface RemoveCase {
  readonly title: string;
  readonly rule: string;
  readonly action?: 'Allow' | 'Audit' | 'Block';
  readonly call: readonly [operation: 'unlink' | 'rmdir', path: string, options?: NameOptions];
  readonly uid?: number;
  /** The alert's action; none: no alert. */
  readonly alert: string;
}

function policyOf(rule: string, action = 'Block'): string {
  return (
    '{ apiVersion: security.kubearmor.com/v1, kind: KubeArmorHostPolicy, metadata: { name: p }, ' +
    `spec: { nodeSelector: { matchLabels: { kubearmor.io/hostname: "*" } }, file: { ${rule} }, action: ${action} } }`
  );
}

function batchOf(
  act: (node: TestNode, process: ReturnType<TestNode['process']>) => void,
  options: { uid?: number; cwd?: string } = {},
): RawEventBatch {
  const node = new TestNode();
  const process = node.process({ executable: '/usr/bin/rm', uid: options.uid ?? 0, cwd: options.cwd ?? '/srv' });
  node.exec(process, '/usr/bin/rm', { arguments: ['rm', '-f', 'x'] });
  act(node, process);
  return node.batch({ containers: [hostDescriptor()] });
}

const path = 'matchPaths: [{ path: /etc/shadow }]';
const readOnlyPath = 'matchPaths: [{ path: /etc/shadow, readOnly: true }]';
const ownerPath = 'matchPaths: [{ path: /etc/shadow, ownerOnly: true }]';
const directory = 'matchDirectories: [{ dir: /etc/ssl/ }]';

const cases: readonly RemoveCase[] = [
  { title: 'Block a path that is removed', rule: path, call: ['unlink', '/etc/shadow'], alert: 'Audit (Block)' },
  { title: 'Block another path', rule: path, call: ['unlink', '/etc/shadow-'], alert: 'none' },
  {
    title: 'Block, refused by the file system',
    rule: path,
    call: ['unlink', '/etc/shadow', { returnValue: -13 }],
    alert: 'Block',
  },
  {
    title: 'Block, the file system is read-only',
    rule: path,
    call: ['unlink', '/etc/shadow', { returnValue: -30 }],
    alert: 'Audit (Block)',
  },
  {
    title: 'Block, nothing was there',
    rule: path,
    call: ['unlink', '/etc/shadow', { returnValue: -2 }],
    alert: 'none',
  },
  {
    title: 'Audit a path that is removed',
    rule: path,
    action: 'Audit',
    call: ['unlink', '/etc/shadow'],
    alert: 'Audit',
  },
  {
    title: 'Block readOnly exempts reading, and this is none',
    rule: readOnlyPath,
    call: ['unlink', '/etc/shadow'],
    alert: 'Audit (Block)',
  },
  {
    title: 'Allow readOnly does not allow removing',
    rule: readOnlyPath,
    action: 'Allow',
    call: ['unlink', '/etc/shadow'],
    alert: 'Audit',
  },
  { title: 'Allow allows removing', rule: path, action: 'Allow', call: ['unlink', '/etc/shadow'], alert: 'none' },
  {
    title: 'Block ownerOnly, of an owner who is known',
    rule: ownerPath,
    uid: 1000,
    call: ['unlink', '/etc/shadow', { file: { ownerUid: 1000 } }],
    alert: 'none',
  },
  {
    title: 'Block ownerOnly, of somebody else',
    rule: ownerPath,
    uid: 1000,
    call: ['unlink', '/etc/shadow', { file: { ownerUid: 0 } }],
    alert: 'Audit (Block)',
  },
  {
    title: 'Block ownerOnly, of an owner who is not known',
    rule: ownerPath,
    uid: 1000,
    call: ['unlink', '/etc/shadow'],
    alert: 'Audit (Block)',
  },
  { title: 'Block a directory, a file in it', rule: directory, call: ['unlink', '/etc/ssl/x'], alert: 'Audit (Block)' },
  {
    title: 'Audit a directory that is removed itself',
    rule: directory,
    action: 'Audit',
    call: ['rmdir', '/etc/ssl'],
    alert: 'Audit',
  },
  {
    title: 'Audit a directory, a file of its name is removed',
    rule: directory,
    action: 'Audit',
    call: ['unlink', '/etc/ssl'],
    alert: 'none',
  },
  {
    title: 'Audit a directory, rmdir of a file of its name',
    rule: directory,
    action: 'Audit',
    call: ['rmdir', '/etc/ssl', { returnValue: -20 }],
    alert: 'none',
  },
  {
    title: 'Audit a directory, rmdir while it is not empty',
    rule: directory,
    action: 'Audit',
    call: ['rmdir', '/etc/ssl', { returnValue: -39 }],
    alert: 'Audit',
  },
  {
    title: 'Audit a directory, unlink that finds a directory',
    rule: directory,
    action: 'Audit',
    call: ['unlink', '/etc/ssl', { returnValue: -21 }],
    alert: 'Audit',
  },
  {
    title: 'Audit a directory, unlink that fails and does not say of what',
    rule: directory,
    action: 'Audit',
    call: ['unlink', '/etc/ssl', { returnValue: -1 }],
    alert: 'none',
  },
];

for (const { title, rule, action, call, uid, alert } of cases) {
  test(title, (t) => {
    const batch = batchOf(
      (node, process) => {
        node.remove(process, ...call);
      },
      uid === undefined ? {} : { uid },
    );
    t.is(alertsOf(policyOf(rule, action), [batch])[0]?.action ?? 'none', alert);
  });
}

function renamed(from: string, to: string, options: NameOptions = {}, uid = 0): RawEventBatch {
  return batchOf(
    (node, process) => {
      node.rename(process, from, to, options);
    },
    { uid },
  );
}

/** What an alert says of a rename. */
function named(alert: Alert | undefined): readonly unknown[] | undefined {
  return alert === undefined ? undefined : [alert.action, alert.resource, alert.oldPath, alert.newPath];
}

test('a rename is judged by both names, and gives one alert for the one that decided', (t) => {
  const block = policyOf(path);
  t.deepEqual(named(alertsOf(block, [renamed('/etc/shadow', '/tmp/x')])[0]), [
    'Audit (Block)',
    '/etc/shadow',
    '/etc/shadow',
    '/tmp/x',
  ]);
  t.deepEqual(named(alertsOf(block, [renamed('/tmp/x', '/etc/shadow')])[0]), [
    'Audit (Block)',
    '/etc/shadow',
    '/tmp/x',
    '/etc/shadow',
  ]);
  t.is(alertsOf(block, [renamed('/etc/shadow', '/etc/shadow')]).length, 1);
  t.deepEqual(alertsOf(block, [renamed('/tmp/x', '/tmp/y')]), []);
});

test('of two names that are blocked the more specific rule names the alert', (t) => {
  const rule = 'matchDirectories: [{ dir: /tmp/ }], matchPaths: [{ path: /etc/shadow }]';
  t.is(alertsOf(policyOf(rule), [renamed('/tmp/x', '/etc/shadow')])[0]?.resource, '/etc/shadow');
});

test('a rename misses an allow-list if one of its names does', (t) => {
  const allow = policyOf('matchDirectories: [{ dir: /srv/ }]', 'Allow');
  t.deepEqual(alertsOf(allow, [renamed('/srv/a', '/srv/b')]), []);
  for (const [from, to] of [
    ['/srv/a', '/tmp/b'],
    ['/tmp/b', '/srv/a'],
  ] as const) {
    const [alert] = alertsOf(allow, [renamed(from, to)]);
    t.deepEqual([alert?.policyName, alert?.resource], ['DefaultPosture', '/tmp/b']);
  }
});

test('the new name of a rename that replaced nothing is its maker’s', (t) => {
  const block = policyOf('matchDirectories: [{ dir: /srv/, ownerOnly: true }]');
  const count = (options: NameOptions): number => alertsOf(block, [renamed('/tmp/x', '/srv/x', options, 1000)]).length;
  t.is(count({ flags: 1 }), 0, 'RENAME_NOREPLACE that went well');
  t.is(count({ flags: 1, returnValue: -17 }), 1, 'and that failed');
  t.is(count({}), 1, 'not known');
  t.is(count({ newFile: { ownerUid: 1000 } }), 0);
});

test('a rename of which one name could not be read is judged by the other', (t) => {
  for (const place of ['file', 'newFile'] as const) {
    const batch = renamed('/etc/shadow', '/etc/shadow');
    const cut = { ...batch, events: batch.events.map((event) => ({ ...event, [place]: -1 })) };
    const [alert] = alertsOf(policyOf(path), [cut]);
    t.deepEqual(
      named(alert),
      place === 'file'
        ? ['Audit (Block)', '/etc/shadow', '', '/etc/shadow']
        : ['Audit (Block)', '/etc/shadow', '/etc/shadow', ''],
    );
  }
});

test('alerts speak of removing and renaming as KubeArmor does', (t) => {
  const rule = 'matchDirectories: [{ dir: /srv/ }]';
  const data = (act: Parameters<typeof batchOf>[0]): string | undefined =>
    alertsOf(policyOf(rule), [batchOf(act)])[0]?.data;
  const calls: readonly (readonly [string, Parameters<typeof batchOf>[0]])[] = [
    [
      'syscall=SYS_UNLINK',
      (node, process) => {
        node.remove(process, 'unlink', '/srv/a');
      },
    ],
    [
      'syscall=SYS_UNLINKAT flags=0',
      (node, process) => {
        node.remove(process, 'unlink', '/srv/a', { syscall: 263 });
      },
    ],
    [
      'syscall=SYS_RMDIR',
      (node, process) => {
        node.remove(process, 'rmdir', '/srv/a');
      },
    ],
    [
      'syscall=SYS_UNLINKAT flags=AT_REMOVEDIR|0x1',
      (node, process) => {
        node.remove(process, 'rmdir', '/srv/a', { syscall: 263, flags: 0x201 });
      },
    ],
    [
      'syscall=SYS_RENAME',
      (node, process) => {
        node.rename(process, '/srv/a', '/b');
      },
    ],
    [
      'syscall=SYS_RENAMEAT',
      (node, process) => {
        node.rename(process, '/srv/a', '/b', { syscall: 264 });
      },
    ],
    [
      'syscall=SYS_RENAMEAT2 flags=RENAME_NOREPLACE|RENAME_WHITEOUT',
      (node, process) => {
        node.rename(process, '/srv/a', '/b', { syscall: 316, flags: 5 });
      },
    ],
  ];
  t.deepEqual(
    calls.map(([, act]) => data(act)),
    calls.map(([text]) => text),
  );
  const [alert] = alertsOf(policyOf(rule), [
    batchOf((node, process) => {
      node.remove(process, 'unlink', '/srv/a');
    }),
  ]);
  t.like(alert, {
    operation: 'File',
    eventOperation: 'unlink',
    processName: '/usr/bin/rm',
    source: '/usr/bin/rm -f x',
    resource: '/srv/a',
    result: 'Passed',
    pathSource: 'directoryAndName',
    oldPath: '',
    newPath: '',
  });
});

test('names that are no UTF-8 keep their bytes beside them', (t) => {
  const batch = batchOf((node, process) => {
    node.rename(process, Buffer.from('/srv/\xff', 'latin1'), Buffer.from('/srv/\xfe', 'latin1'));
  });
  const [alert] = alertsOf(policyOf('matchDirectories: [{ dir: /srv/ }]'), [batch]);
  t.deepEqual([alert?.oldPath, alert?.newPath], ['/srv/\\xff', '/srv/\\xfe']);
  t.deepEqual(alert?.rawBytes.map(({ field }) => field).sort(), ['newPath', 'oldPath', 'resource']);
});
