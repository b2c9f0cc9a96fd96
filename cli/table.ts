import { printable } from '../runtime/printable.ts';

/** Longest text of a cell in a table. What is longer is shown whole where a row stands upright. */
const maxCellCharacters = 60;

/**
 * Rows as people read them, the first with the names: a table where it fits into `columns`, else each row upright, a line
 * a column. Everything goes through `printable`: file names are chosen by attackers.
 */
export function renderTable(rows: readonly (readonly unknown[])[], columns: number): string {
  const [names = [], ...cells] = rows.map((row) => row.map((cell) => printable(cellText(cell))));
  if (cells.length === 0) return 'No rows.\n';
  const widths = names.map((_, column) => Math.max(...[names, ...cells].map((row) => width(row[column] ?? ''))));
  const total = widths.reduce((sum, each) => sum + each + 2, 0);
  const wide = widths.some((each) => each > maxCellCharacters) || total > columns + 2;
  return wide ? renderUpright(names, cells) : renderFlat(names, cells, widths);
}

function renderFlat(names: readonly string[], rows: readonly (readonly string[])[], widths: readonly number[]): string {
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => pad(cell, widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const rule = widths.map((each) => '─'.repeat(each)).join('  ');
  return `${[line(names), rule, ...rows.map(line)].join('\n')}\n`;
}

function renderUpright(names: readonly string[], rows: readonly (readonly string[])[]): string {
  const widest = Math.max(...names.map(width));
  const blocks = rows.map((row, index) =>
    [`── row ${index + 1} ──`, ...names.map((name, column) => `${pad(name, widest)}  ${row[column] ?? ''}`)].join('\n'),
  );
  return `${blocks.join('\n')}\n`;
}

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return 'NULL';
  return typeof cell === 'string' ? cell : JSON.stringify(cell);
}

/** Code points; close enough to columns where people name files in most scripts. */
function width(text: string): number {
  return Array.from(text).length;
}

function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - width(text)));
}
