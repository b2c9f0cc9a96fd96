import test from 'ava';
import type { Alert, RawEventBatch } from '../../schemas/generated.ts';
import { caseNamespace, loadCases, socketOf, type CaseEvent, type PolicyCase } from '../policy/cases.ts';
import { Flow } from '../support/match.ts';
import { policyDocuments, policyKey } from '../support/policy-document.ts';
import { containerDescriptor, hostDescriptor, TestNode } from '../support/raw-batch.ts';

// The cases that the rules are judged by, here as raw events through enricher and matcher: what the kernel answered counts.

const returnValues = { passed: 0, EACCES: -13, EPERM: -1, ENOENT: -2 } as const;
const inodeTypes = { file: 'regular', directory: 'directory', unknown: 'unknown' } as const;

/** What a node tells of the event, in a container of the case's namespace. */
function batchOf(event: CaseEvent, rootLinks: PolicyCase['rootLinks']): RawEventBatch {
  const node = new TestNode();
  const shell = node.process({ executable: event.source, containerCgroupId: 7n, uid: event.uid });
  if (event.terminal) shell.tty = '/dev/pts/0';
  const path = event.pathBytes === undefined ? event.path : Uint8Array.from(event.pathBytes);
  const file = {
    inodeType: inodeTypes[event.type],
    pathTruncated: event.truncated,
    // What does not exist before the act is, when it is told, its maker's.
    ownerUid: event.owner === 'caller' ? event.uid : event.owner === 'unknown' ? -1 : event.owner,
  };
  const returnValue = returnValues[event.result];
  if (event.operation === 'exec') {
    const interpreter = event.interpreters.at(-1);
    node.exec(shell, path, {
      file,
      returnValue,
      arguments: ['argv0', ...event.arguments],
      argumentsTruncated: event.argumentsTruncated,
      calledName: event.calledName ?? path,
      ...(interpreter === undefined ? {} : { interpreter }),
    });
  } else if (event.operation === 'socket' || event.operation === 'connect' || event.operation === 'accept') {
    node.onSocket(event.operation, shell, socketOf(event), { returnValue });
  } else {
    node.open(shell, path, { file, returnValue, flags: event.operation === 'write' ? 0o1 : 0 });
  }
  const labels = { 'io.kubernetes.pod.namespace': caseNamespace };
  return node.batch({ containers: [hostDescriptor(), containerDescriptor({ cgroupId: 7n, labels, rootLinks })] });
}

function alertsOf(one: PolicyCase, event: CaseEvent): Alert[] {
  const flow = new Flow();
  const { process, file, network } = one.postures;
  const spec = { defaultFilePosture: event.operation === 'exec' ? process : file, defaultNetworkPosture: network };
  flow.policies(JSON.stringify({ apiVersion: 'palisade/v1', kind: 'PalisadeDefaults', metadata: { name: 'd' }, spec }));
  for (const { text } of one.documents) {
    for (const document of policyDocuments(text)) flow.policy(policyKey(document), document);
  }
  return flow.batch(batchOf(event, one.rootLinks));
}

function namedBy({ rule }: Alert): string {
  return rule === null ? 'DefaultPosture' : `${rule.policyName} ${rule.block}.${rule.list}[${rule.index}]`;
}

// No event tells what names are looked up and when capabilities are used: such acts are judged alone (test/policy/cases.test.ts).
const untold: readonly CaseEvent['operation'][] = ['lookup', 'capability'];

for (const one of loadCases()) {
  const events = one.events.filter(({ operation }) => !untold.includes(operation));
  if (events.length === 0) continue;
  test(one.title, (t) => {
    for (const [place, event] of events.entries()) {
      const { expect } = event;
      const found = alertsOf(one, event).map((alert) => ({
        alert: alert.action,
        enforcement: alert.enforcement,
        by: namedBy(alert),
      }));
      const expected =
        expect.alert === 'none' ? [] : [{ alert: expect.alert, enforcement: expect.enforcement, by: expect.by }];
      t.deepEqual<unknown, unknown>(found, expected, `event ${place}`);
    }
  });
}
