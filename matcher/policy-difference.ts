import { unreadable } from '../eventlog/dead-letter.ts';
import type { LogRecord, OutputRecord } from '../eventlog/event-log.ts';
import type { PolicyDocument } from '../schemas/generated.ts';

/** What the files given to a policy source hold at one moment. */
export interface PolicyScan {
  /** By key, those that can be used. */
  readonly documents: ReadonlyMap<string, PolicyDocument>;
  /** Keys of documents that can't be used as they stand: what they held before stays. */
  readonly refusedKeys: ReadonlySet<string>;
  /** Files, as documents name them, in which something can't even be told what it is: all that they held before stays. */
  readonly unreadableFiles: ReadonlySet<string>;
  /** A folder or file that was given can't be read: nothing at all is taken for deleted. */
  readonly incomplete: boolean;
}

/** What must be appended to make the table agree with the files, and what could not be. */
export interface PolicyDifference {
  readonly outputs: readonly OutputRecord[];
  /** Keys in the files that are another source's in the table. */
  readonly ofAnotherSource: readonly string[];
}

/**
 * The difference between the files and the table `policies`: new and changed documents, and tombstones for those of this
 * source that are in no file any more, also where they went while nobody watched. Nothing of another source is touched.
 */
export function policyDifference(scan: PolicyScan, table: readonly LogRecord[], sourceId: string): PolicyDifference {
  const present = new Map<string, PolicyDocument>();
  for (const record of table) {
    // What nobody can read is as good as absent: whoever has the policy writes it anew.
    if (record.topic !== 'policies' || unreadable(record) !== undefined) continue;
    if (record.value !== undefined) present.set(record.key, record.value);
  }
  const outputs: OutputRecord[] = [];
  const ofAnotherSource: string[] = [];
  for (const [key, document] of [...scan.documents].sort(byKey)) {
    const known = present.get(key);
    if (known !== undefined && known.sourceId !== sourceId) ofAnotherSource.push(key);
    else if (known === undefined || !isSame(known, document)) {
      outputs.push({ topic: 'policies', key, value: document });
    }
  }
  for (const [key, known] of [...present].sort(byKey)) {
    if (known.sourceId !== sourceId || scan.documents.has(key)) continue;
    if (scan.incomplete || scan.refusedKeys.has(key) || scan.unreadableFiles.has(known.file)) continue;
    outputs.push({ topic: 'policies', key, value: undefined });
  }
  return { outputs, ofAnotherSource };
}

function isSame(first: PolicyDocument, second: PolicyDocument): boolean {
  return (
    first.contentHash === second.contentHash &&
    first.file === second.file &&
    first.documentIndex === second.documentIndex &&
    first.firstLine === second.firstLine
  );
}

function byKey([first]: readonly [string, unknown], [second]: readonly [string, unknown]): number {
  return first < second ? -1 : 1;
}
