import process from 'node:process';
import { parseArgs } from 'node:util';
import { decode } from './decode.ts';
import { flow } from './flow.ts';
import { match } from './match.ts';
import { Report } from './report.ts';

/** Name → what measures it. */
const benches: Readonly<Record<string, (report: Report) => Promise<void>>> = { decode, flow, match };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false } },
});
const wanted = positionals.length === 0 ? Object.keys(benches) : positionals;
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0) {
  process.stderr.write(`No such benchmark: ${unknown.join(', ')}. There are: ${Object.keys(benches).join(', ')}.\n`);
  process.exitCode = 64;
} else {
  const report = new Report({ json: values.json });
  for (const name of wanted) await benches[name]?.(report);
}
