import type { TopicName } from '../schemas/topics.ts';
import type { LogRecord, TablePositions } from './event-log.ts';

/** Follows the positions of a stage's tables through the records that are handed to it. */
export class TableTracker {
  readonly #tables: readonly TopicName[];
  #positions: TablePositions;

  /** `start`: where a predecessor had them; tables that it does not name begin empty. */
  constructor(tables: readonly TopicName[], start: TablePositions) {
    this.#tables = tables;
    this.#positions = Object.fromEntries(tables.map((table) => [table, start[table] ?? 0]));
  }

  isTable(topic: TopicName): boolean {
    return this.#tables.includes(topic);
  }

  /** A change of a table took effect. */
  changed(record: LogRecord): void {
    const position = Math.max(this.#positions[record.topic] ?? 0, record.offset + 1);
    this.#positions = { ...this.#positions, [record.topic]: position };
  }

  /**
   * The positions that an input is judged under: those of the tables, and of further ones that it carries itself, for
   * stages that come later.
   */
  under(input: LogRecord): TablePositions {
    const stamped = Object.keys(input.tablePositions).length > 0;
    return stamped ? { ...this.#positions, ...input.tablePositions } : this.#positions;
  }
}
