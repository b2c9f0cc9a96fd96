import test from 'ava';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { story } from '../../cli/demo/story.ts';
import { packageRoot } from '../../cli/package-root.ts';
import { eventually } from '../support/eventually.ts';
import { PalisadeHome } from '../support/palisade-process.ts';

// Serial: containers belong to the machine, so one `up` sees what the demo of another test does.
const watching = /Watching this machine/u;

interface AlertRow {
  readonly id: string;
  readonly policy_name: string;
}

async function alertsOf(home: PalisadeHome): Promise<readonly AlertRow[]> {
  const query = "SELECT id, policy_name FROM alerts WHERE container_name = 'palisade-demo' ORDER BY kernel_time_ns";
  const { code, output, errors } = await home.run(['sql', '--json', query]);
  if (code !== 0) throw new Error(`sql ended with ${String(code)}: ${errors}`);
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AlertRow);
}

/** Waits until so many are stored, which is a moment after they are told. */
async function storedAlerts(home: PalisadeHome, count: number): Promise<readonly AlertRow[]> {
  return await eventually(`${count} alerts are stored`, async () => {
    const rows = await alertsOf(home);
    return rows.length >= count ? rows : undefined;
  });
}

/** What the documents tell people to ask. */
function queriesOfTheDocuments(): readonly string[] {
  const pages = globSync(['README.md', 'docs/*.md', 'cli/README.md', 'sink/README.md'], { cwd: packageRoot() });
  const texts = pages.map((page) => readFileSync(path.join(packageRoot(), page), 'utf8'));
  return texts.flatMap((text) => [...text.matchAll(/palisade sql "([^"…]+)"/gu)].map(([, query = '']) => query));
}

test.serial(
  'the demo gives exactly the alerts of its story, on the terminal, in SQL, and after the end of `up`',
  async (t) => {
    await using home = new PalisadeHome();
    const up = home.start(['up']);
    await up.says(watching);

    const second = await home.run(['up']);
    t.is(second.code, 75);
    t.regex(second.errors, new RegExp(`process ${up.pid}\\b`, 'u'), 'a second one names the first one');

    const demo = await home.run(['demo']);
    t.is(demo.code, 0, demo.output + demo.errors);
    for (const { policy } of story) {
      t.true(demo.output.includes(policy), policy);
      await up.says(new RegExp(policy, 'u'));
    }
    t.deepEqual(
      (await storedAlerts(home, story.length)).map((row) => row.policy_name),
      story.map((step) => step.policy),
    );

    for (const query of queriesOfTheDocuments()) {
      const { code, errors } = await home.run(['sql', query]);
      t.is(code, 0, `${query}: ${errors}`);
    }

    up.kill('SIGTERM');
    const ended = await up.ended;
    t.is(ended.code, 0, ended.errors);

    const rows = await alertsOf(home);
    t.is(rows.length, story.length, 'and after it has stopped');
    t.is(new Set(rows.map((row) => row.id)).size, rows.length);
  },
);

test.serial('a kill -9 between two demos loses no alert and doubles none', async (t) => {
  await using home = new PalisadeHome();
  const first = home.start(['up']);
  await first.says(watching);
  t.is((await home.run(['demo'])).code, 0);
  first.kill('SIGKILL');
  await first.ended;

  const second = home.start(['up']);
  await second.says(watching);
  t.is((await home.run(['demo'])).code, 0);
  await storedAlerts(home, 2 * story.length);
  second.kill('SIGINT');
  t.is((await second.ended).code, 0);

  const rows = await alertsOf(home);
  t.is(rows.length, 2 * story.length);
  t.is(new Set(rows.map((row) => row.id)).size, rows.length);
});

test.serial('a demo without a running `up` says so, plays the recording, and does not pretend', async (t) => {
  await using home = new PalisadeHome();
  const { code, output } = await home.run(['demo']);
  t.is(code, 69);
  t.regex(output, /`palisade up` is not running/u);
  t.regex(output, /\[recording\]/u);
});

test.serial(
  'where the kernel cannot be watched `up` names what is missing and plays the recording to the same end',
  async (t) => {
    await using home = new PalisadeHome();
    // The last flag counts: a folder that is on no BPF file system.
    const up = home.start(['up', '--pin-directory', home.dataDirectory]);
    await up.says(/The recording is over/u);
    for (const { policy } of story) await up.says(new RegExp(policy, 'u'));
    await storedAlerts(home, story.length);
    up.kill('SIGTERM');
    const { code, output, errors } = await up.ended;
    t.is(code, 0, errors);
    t.regex(output, /can't be watched:\n.*is on no BPF file system: mount -t bpf bpf \/sys\/fs\/bpf\n/u);
    for (const { policy } of story) t.true(output.includes(policy), policy);
    t.is(output.split('[recording]').length - 1, story.length + 1, 'every alert is marked, and the mark is explained');
    t.deepEqual(
      (await alertsOf(home)).map((row) => row.policy_name),
      story.map((step) => step.policy),
    );
  },
);

test.serial('the recording played on purpose is a success', async (t) => {
  await using home = new PalisadeHome();
  const { code, output } = await home.run(['demo', '--recorded', '--json']);
  t.is(code, 0);
  const alerts = output.split('\n').filter((line) => line !== '');
  t.deepEqual(
    alerts.map((line) => (JSON.parse(line) as { PolicyName: string }).PolicyName),
    story.map((step) => step.policy),
  );
});
