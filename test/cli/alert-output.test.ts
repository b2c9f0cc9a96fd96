import test from 'ava';
import { alertText, paletteFor } from '../../cli/alert-text.ts';
import { kubeArmorAlert, kubeArmorJsonLine } from '../../cli/kubearmor-json.ts';
import type { Alert } from '../../schemas/generated.ts';
import { sampleAlert } from '../support/alert.ts';

const plain = paletteFor(false, {});
const hostile = '/tmp/a\nb"c\u001b[31m\u202e\u0085\\xff';

test('an alert is two lines that say who did what where, and which rule of which line says so', (t) => {
  const [first = '', second = '', rest] = alertText(sampleAlert(), plain).split('\n');
  t.regex(
    first,
    /^\d\d:\d\d:\d\d\.127 {2}Audit \(Block\) {2}severity 5 {2}container web {2}\/usr\/bin\/dash ran \/usr\/bin\/ls \/$/u,
  );
  t.is(second.trim(), 'policy block-ls-from-dash (ls-from-dash.yaml:15); Passed, not enforced  “ls was run by dash”');
  t.is(rest, '');
});

test('a file act is told by what was done to the file', (t) => {
  const act = (eventOperation: Alert['eventOperation']): string => {
    const names = { resource: '/srv/a', oldPath: '/tmp/x', newPath: '/srv/a', processName: '/usr/bin/mv' };
    const [first = ''] = alertText(sampleAlert({ operation: 'File', eventOperation, ...names }), plain).split('\n');
    return first.slice(first.indexOf('/usr/bin/mv'));
  };
  t.is(act('open'), '/usr/bin/mv opened /srv/a');
  t.is(act('unlink'), '/usr/bin/mv removed /srv/a');
  t.is(act('rmdir'), '/usr/bin/mv removed the directory /srv/a');
  t.is(act('rename'), '/usr/bin/mv renamed /tmp/x to /srv/a');
});

test('hostile names of a rename forge nothing either', (t) => {
  const renamed = sampleAlert({ operation: 'File', eventOperation: 'rename', oldPath: hostile, newPath: hostile });
  const text = alertText(renamed, plain);
  t.is(text.split('\n').length, 3);

  t.notRegex(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/u);
});

test('an alert of a recording says so', (t) => {
  t.true(alertText(sampleAlert({ origin: 'recording' }), plain).includes('[recording]'));
  t.false(alertText(sampleAlert(), plain).includes('[recording]'));
});

for (const field of ['resource', 'parentProcessName', 'containerName', 'policyName', 'message', 'result'] as const) {
  test(`hostile bytes in ${field} forge neither a line nor a terminal sequence`, (t) => {
    const text = alertText(sampleAlert({ [field]: hostile }), plain);
    t.is(text.split('\n').length, 3);

    t.notRegex(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/u);
  });
}

test('a resource of four kibibytes does not push the policy off the screen', (t) => {
  t.true(alertText(sampleAlert({ resource: 'x'.repeat(4096) }), plain).length < 600);
});

test('colors come only on a terminal, and NO_COLOR takes them away', (t) => {
  t.true(alertText(sampleAlert(), paletteFor(true, {})).includes('\u001b['));
  t.false(alertText(sampleAlert(), paletteFor(true, { NO_COLOR: '1' })).includes('\u001b['));
});

test("KubeArmor's JSON has its keys in its order, and leaves zero values out but PPID and UID", (t) => {
  t.deepEqual(Object.entries(kubeArmorAlert(sampleAlert({ ppid: 0 }))), [
    ['Timestamp', 1_765_863_439],
    ['UpdatedTime', '2025-12-16T05:37:19.127331Z'],
    ['HostName', 'test-host'],
    ['NamespaceName', 'container_namespace'],
    ['Labels', 'kubearmor.io/container.name=web'],
    ['ContainerID', 'web'],
    ['ContainerName', 'web'],
    ['HostPPID', 100],
    ['HostPID', 101],
    ['PPID', 0],
    ['PID', 7],
    ['UID', 0],
    ['ParentProcessName', '/usr/bin/dash'],
    ['ProcessName', '/usr/bin/ls'],
    ['PolicyName', 'block-ls-from-dash'],
    ['Severity', '5'],
    ['Tags', 'T1,T2'],
    ['ATags', ['T1', 'T2']],
    ['Message', 'ls was run by dash'],
    ['Type', 'MatchedPolicy'],
    ['Source', '/usr/bin/dash'],
    ['Operation', 'Process'],
    ['Resource', '/usr/bin/ls /'],
    ['Data', 'syscall=SYS_EXECVE'],
    ['EventData', { Syscall: 'SYS_EXECVE' }],
    ['Enforcer', 'eBPF Monitor'],
    ['Action', 'Audit (Block)'],
    ['Result', 'Passed'],
    ['Cwd', '/'],
    ['NodeID', 'node-1'],
  ]);
});

test('hostile bytes are the same text again after a JSON parser, on one line without control characters', (t) => {
  const line = kubeArmorJsonLine(sampleAlert({ resource: hostile }));

  t.notRegex(line, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/u);
  t.is((JSON.parse(line) as { Resource: string }).Resource, hostile);
});
