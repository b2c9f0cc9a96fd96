import test, { type ExecutionContext } from 'ava';
import { conditionOf, isWanted, type AlertFilter } from '../../cli/alert-filter.ts';
import type { Alert } from '../../schemas/generated.ts';
import { sampleAlert } from '../support/alert.ts';
import { everyAlert } from '../support/alert-filters.ts';

function wanted(
  t: ExecutionContext,
  filter: Partial<AlertFilter>,
  expected: boolean,
  options: Partial<Alert> = {},
): void {
  t.is(isWanted(sampleAlert(options), { ...everyAlert, ...filter }), expected);
}

const id = '0123456789abcdef0123';

test('no filter wants all', wanted, {}, true);
test('one of several policies', wanted, { policy: ['other', 'block-ls-from-dash'] }, true);
test('a part of a name is not the name', wanted, { policy: ['block-ls'] }, false);
test('every filter must hold', wanted, { policy: ['block-ls-from-dash'], namespace: ['other'] }, false);
test('Block is not Audit (Block)', wanted, { action: ['Block'] }, false);
test('an action in any case', wanted, { action: ['AUDIT (block)'] }, true);
test('an operation in any case', wanted, { operation: ['process'] }, true);
test('a container by its name', wanted, { container: ['web'] }, true, { containerId: id });
test('a container by the beginning of its id', wanted, { container: [id.slice(0, 12)] }, true, { containerId: id });
test('a container by too short a beginning', wanted, { container: [id.slice(0, 11)] }, false, { containerId: id });
test('severity 10 is above 9', wanted, { severity: 9 }, true, { severity: '10' });
test('an alert without a severity is below all', wanted, { severity: 1 }, false, { severity: '' });
test('since includes its moment', wanted, { sinceNs: 5n }, true, { timeUnixNs: 5n });
test('until does not', wanted, { untilNs: 5n }, false, { timeUnixNs: 5n });

test('what a person gives is in parameters alone', (t) => {
  const hostile = "' OR 1=1 --";
  const lists = { policy: [hostile], namespace: [hostile], container: [hostile], action: [hostile] };
  const { condition, parameters } = conditionOf({ ...everyAlert, ...lists, operation: [hostile], node: [hostile] });
  t.false(condition.includes("'"));
  t.is(Object.keys(parameters).length, 6);
});
