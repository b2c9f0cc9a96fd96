import test from 'ava';
import { compile } from '../../policy/compile.ts';
import { judge } from '../../policy/judge.ts';
import type { Policy } from '../../policy/model.ts';
import type { Verdict } from '../../policy/verdict.ts';
import { textOf } from '../../runtime/printable.ts';
import { actOf, loadCases } from './cases.ts';
import type { PolicyCase } from './cases.ts';
import { interpret } from './interpreter.ts';

// Adding an engine is one function here, adding a case some lines in test/policy/cases.

type Engine = (policies: readonly Policy[], one: PolicyCase, event: PolicyCase['events'][number]) => Verdict;

const engines: Readonly<Record<string, Engine>> = {
  compiled: (policies, one, event) => judge(compile(policies, one), actOf(event)),
  interpreted: (policies, one, event) => interpret(policies, one, actOf(event)),
};

for (const one of loadCases()) {
  const orders = {
    'as written': one.policies,
    'the other way round': [...one.policies]
      .reverse()
      .map((policy) => ({ ...policy, rules: [...policy.rules].reverse() })),
  };
  for (const [name, engine] of Object.entries(engines)) {
    test(`${name}: ${one.title}`, (t) => {
      for (const [order, policies] of Object.entries(orders)) {
        for (const [place, event] of one.events.entries()) {
          const where = `event ${place}, ${order}`;
          const verdict = engine(policies, one, event);
          t.is(verdict.decision, event.expect.verdict, where);
          t.is(namedBy(verdict), event.expect.by, where);
          t.is(verdict.action, expectedAction(one, event), where);
          if (event.expect.matchedPath !== undefined && verdict.rule !== undefined) {
            t.is(textOf(verdict.rule.matchedPath).text, event.expect.matchedPath, where);
          }
        }
      }
    });
  }
}

function namedBy({ decidedBy, rule }: Verdict): string {
  if (decidedBy === 'posture') return 'DefaultPosture';
  if (rule === undefined) return 'none';
  const { policyName, block, list, index } = rule.reference;
  return `${policyName} ${block}.${list}[${index}]`;
}

/** The action of the rule that is to be named, or the posture's. */
function expectedAction({ policies }: PolicyCase, { expect }: PolicyCase['events'][number]): Verdict['action'] {
  if (expect.by === 'none') return undefined;
  if (expect.by === 'DefaultPosture') return expect.verdict === 'deny' ? 'Block' : 'Audit';
  for (const policy of policies) {
    for (const { block, list, index, action } of policy.rules) {
      if (`${policy.name} ${block}.${list}[${index}]` === expect.by) return action;
    }
  }
  throw new Error(`no policy of the case has the rule ${expect.by}`);
}
