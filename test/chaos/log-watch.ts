import type Database from 'better-sqlite3';
import { capturedTopics } from '../../cli/captured-records.ts';
import { pipeline } from '../../cli/roles.ts';
import type { OffsetRange } from '../../eventlog/event-log.ts';
import { openForReading } from '../../eventlog/sqlite-layout.ts';
import { SqliteReader } from '../../eventlog/sqlite-reader.ts';
import type { TopicName } from '../../schemas/topics.ts';

/** How far a sink is with its topic; offsets. */
export interface SinkProgress {
  /** The next one that is published. */
  readonly published: number;
  /** The next one that is not known to be in ClickHouse: what is committed. */
  readonly stored: number;
  /** What it has written down that it inserts now. */
  readonly intended: OffsetRange | undefined;
}

/** How far everything is. */
export interface LogState {
  /** Records of the capture that were appended. */
  readonly fed: number;
  /** Raw events: the next offset that is appended, and the next one that is not judged. */
  readonly appended: number;
  readonly judged: number;
  readonly alerts: SinkProgress;
  readonly coverage: SinkProgress;
  readonly deadLetters: number;
}

/** Reads the committed positions of a log that another process owns, or nobody, by a read-only connection of its own. */
export class LogWatch implements Disposable {
  readonly #database: Database.Database;
  readonly #reader: SqliteReader;
  readonly #pipeline = pipeline().name;

  /** Throws `EVENT_LOG_FAILED` where there is no log. */
  constructor(directory: string) {
    this.#database = openForReading(directory, 'another');
    this.#reader = new SqliteReader(this.#database);
  }

  /** Statement by statement: what is read later is at least as late. Published is read before stored. */
  state(): LogState {
    return {
      fed: capturedTopics.reduce((sum, topic) => sum + this.#next(topic), 0),
      appended: this.#next('raw-events'),
      judged: this.#position(this.#pipeline, 'raw-events'),
      alerts: this.#sink('clickhouse-alerts', 'alerts'),
      coverage: this.#sink('clickhouse-coverage', 'coverage'),
      deadLetters: this.#next('dead-letters'),
    };
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #sink(group: string, topic: TopicName): SinkProgress {
    const published = this.#next(topic);
    const { intended } = this.#reader.groupState(group);
    return { published, stored: this.#position(group, topic), intended };
  }

  #next(topic: TopicName): number {
    return this.#reader.bounds(topic).next;
  }

  #position(group: string, topic: TopicName): number {
    return this.#reader.groupState(group).positions.find((one) => one.topic === topic)?.position ?? 0;
  }
}

/** Whether nothing is left to do. */
export function isAtEnd({ appended, judged, alerts, coverage }: LogState): boolean {
  return judged === appended && [alerts, coverage].every(({ published, stored }) => stored === published);
}

/** A number that grows with every commit of a stage's positions. */
export function committed({ judged, alerts, coverage }: LogState): number {
  return judged + alerts.stored + coverage.stored;
}
