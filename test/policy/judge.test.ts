import test from 'ava';
import fc from 'fast-check';
import { compile } from '../../policy/compile.ts';
import { judge } from '../../policy/judge.ts';
import { builtinDefaults } from '../../policy/model.ts';
import type { PathSubject } from '../../policy/model.ts';
import { act, pathAct, policies, postures, rootLinks, universe } from './generators.ts';
import { interpret, liesWithin } from './interpreter.ts';

test('compiled rules and the interpreter give the same verdict, to the last field', (t) => {
  fc.assert(
    fc.property(
      policies,
      rootLinks,
      postures,
      fc.array(act, { minLength: 1, maxLength: 8 }),
      (all, links, posture, acts) => {
        const context = { rootLinks: links, postures: posture };
        const compiled = compile(all, context);
        for (const one of acts) {
          t.deepEqual(plain(judge(compiled, one)), plain(interpret(all, { ...context, universe }, one)));
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test('the order in which policies and rules arrive changes nothing', (t) => {
  const shuffled = policies.chain((all) =>
    fc.tuple(
      fc.constant(all),
      fc
        .shuffledSubarray([...all], { minLength: all.length })
        .chain((order) =>
          fc.tuple(
            ...order.map((policy) =>
              fc
                .shuffledSubarray([...policy.rules], { minLength: policy.rules.length })
                .map((rules) => ({ ...policy, rules })),
            ),
          ),
        ),
    ),
  );
  fc.assert(
    fc.property(
      shuffled,
      rootLinks,
      postures,
      fc.array(act, { minLength: 1, maxLength: 5 }),
      ([all, other], links, posture, acts) => {
        const context = { rootLinks: links, postures: posture };
        const [compiled, again] = [compile(all, context), compile(other, context)];
        for (const one of acts) t.deepEqual(judge(compiled, one), judge(again, one));
      },
    ),
    { numRuns: 500 },
  );
});

test('how patterns are cut into automata changes no verdict', (t) => {
  fc.assert(
    fc.property(
      policies,
      rootLinks,
      postures,
      fc.array(act, { minLength: 1, maxLength: 5 }),
      (all, links, posture, acts) => {
        const context = { rootLinks: links, postures: posture };
        const together = compile(all, context);
        const cut = compile(all, context, { states: 12, tableBytes: 2_000, steps: 20_000 });
        for (const one of acts) t.deepEqual(judge(together, one), judge(cut, one));
      },
    ),
    { numRuns: 500 },
  );
});

test('judging one act leaves nothing behind that changes the next', (t) => {
  fc.assert(
    fc.property(policies, rootLinks, postures, act, act, (all, links, posture, one, other) => {
      const context = { rootLinks: links, postures: posture };
      const compiled = compile(all, context);
      const first = judge(compiled, one);
      judge(compiled, other);
      t.deepEqual(judge(compiled, one), first);
    }),
    { numRuns: 300 },
  );
});

test("the interpreter's containment is that of the sets of paths", (t) => {
  // All paths up to a depth beyond every subject's, with a name that no subject has: enough to tell any two subjects apart.
  const names = ['usr', 'bin', 'a', 'z'];
  const universe: string[] = [];
  let level = [''];
  for (let depth = 0; depth < 4; depth++) {
    level = level.flatMap((one) => names.map((name) => `${one}/${name}`));
    universe.push(...level);
  }
  const shallow = fc.array(fc.constantFrom('usr', 'bin', 'a'), { minLength: 1, maxLength: 2 });
  const shallowSubject: fc.Arbitrary<Simple> = fc.oneof(
    shallow.map((parts): Simple => ({ kind: 'path', path: `/${parts.join('/')}` })),
    fc.constantFrom('usr', 'bin', 'a').map((name): Simple => ({ kind: 'name', name })),
    fc.record({
      kind: fc.constant('directory' as const),
      directory: fc.oneof(
        fc.constant('/'),
        shallow.map((parts) => `/${parts.join('/')}/`),
      ),
      recursive: fc.boolean(),
    }),
  );
  const covers = (one: Simple, file: string): boolean => liesWithin({ kind: 'path', path: file }, one);
  fc.assert(
    fc.property(shallowSubject, shallowSubject, (inner, outer) => {
      const included = universe.every((file) => !covers(inner, file) || covers(outer, file));
      t.is(liesWithin(inner, outer), included);
    }),
    { numRuns: 500 },
  );
});

test('arbitrary bytes in an act are judged without an error', (t) => {
  fc.assert(
    fc.property(
      policies,
      pathAct,
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 40 }),
      (all, like, bytes, source) => {
        const compiled = compile(all, {
          rootLinks: null,
          postures: { ...builtinDefaults.hostPostures, process: 'block' },
        });
        const resources = like.resources.map((one) => ({ ...one, path: bytes }));
        t.notThrows(() => judge(compiled, { ...like, resources, source }));
      },
    ),
    { numRuns: 300 },
  );
});

/** A subject that is its own only piece. */
type Simple = Exclude<PathSubject, { kind: 'pattern' }>;

/** Buffer and Uint8Array of the same bytes are the same here. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, one: unknown) => (one instanceof Uint8Array ? [...one] : one === undefined ? null : one)),
  );
}
