import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { SavedContainers } from '../../collector/saved-containers.ts';
import { SessionJournal } from '../../collector/session-journal.ts';

function directoryOf(t: ExecutionContext): string {
  const directory = mkdtempSync('/tmp/palisade-journal-');
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

test('what was written last of a session is read by the next one', (t) => {
  const directory = directoryOf(t);
  {
    using journal = new SessionJournal(directory);
    for (let batch = 1; batch <= 3; batch++)
      journal.write({ bootId: 'boot', session: 7n, batch, timeNs: 2n ** 60n, isTold: true });
    journal.write({ bootId: 'boot', session: 9n, batch: 1, timeNs: 5n, isTold: true });
  }
  using journal = new SessionJournal(directory);
  t.deepEqual(journal.find('boot', 7n), { bootId: 'boot', session: 7n, batch: 3, timeNs: 2n ** 60n, isTold: true });
  t.is(journal.latestTold('boot')?.session, 9n);
  t.is(journal.find('other', 7n), undefined);
  t.is(journal.latestTold('other'), undefined);
});

test('a session that was killed before its beginning was appended is found, and is not where what is told ends', (t) => {
  const directory = directoryOf(t);
  {
    using journal = new SessionJournal(directory);
    journal.write({ bootId: 'boot', session: 7n, batch: 3, timeNs: 70n, isTold: true });
    journal.write({ bootId: 'boot', session: 9n, batch: 1, timeNs: 90n, isTold: false });
  }
  using journal = new SessionJournal(directory);
  t.is(journal.find('boot', 9n)?.batch, 1);
  t.is(journal.latestTold('boot')?.session, 7n);
});

test('sessions of other boots give way first, then the oldest', (t) => {
  using journal = new SessionJournal(directoryOf(t));
  journal.write({ bootId: 'old', session: 99n, batch: 1, timeNs: 1n, isTold: true });
  for (let session = 1n; session <= 10n; session++)
    journal.write({ bootId: 'boot', session, batch: 1, timeNs: 1n, isTold: true });
  t.is(journal.find('old', 99n), undefined);
  t.is(journal.find('boot', 1n), undefined);
  for (let session = 2n; session <= 10n; session++) t.truthy(journal.find('boot', session));
});

test('a journal with anything in it can be opened, and says nothing', (t) => {
  const directory = directoryOf(t);
  writeFileSync(join(directory, 'collector-sessions'), 'boot 7 12 \n'.repeat(200));
  using journal = new SessionJournal(directory);
  t.is(journal.latestTold('boot'), undefined);
  journal.write({ bootId: 'boot', session: 7n, batch: 1, timeNs: 1n, isTold: true });
  t.is(journal.latestTold('boot')?.batch, 1);
});

test('the list of containers is that of this boot, and garbage is an empty one', (t) => {
  const directory = directoryOf(t);
  const containers = [{ cgroupId: 2n ** 63n, path: '/caf\xe9' }];
  t.deepEqual(new SavedContainers(directory, 'boot').read(), []);
  new SavedContainers(directory, 'boot').write(containers);
  t.deepEqual(new SavedContainers(directory, 'boot').read(), containers);
  t.deepEqual(new SavedContainers(directory, 'next').read(), []);
  for (const text of ['', '{', '[]', '{"bootId":"boot","containers":[{"cgroupId":"x","path":1},null]}']) {
    writeFileSync(join(directory, 'collector-containers.json'), text);
    t.deepEqual(new SavedContainers(directory, 'boot').read(), []);
  }
});
