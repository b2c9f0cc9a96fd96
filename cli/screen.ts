import process from 'node:process';
import { Writable } from 'node:stream';
import type { ShownAlert } from './alert-columns.ts';
import { alertText, paletteFor } from './alert-text.ts';
import { kubeArmorJsonLine } from './kubearmor-json.ts';
import { Terminal } from './terminal.ts';

/** How often a status line is written where it can't be redrawn. */
const plainStatusEveryMs = 30_000;

/** The width that terminals have had since punched cards. */
const columnsWhereUnknown = 80;

/** Where a command shows things: text for people, alerts as asked for. */
export interface Screen {
  readonly terminal: Terminal;
  /** For a logger: lines that go above the status line. */
  readonly logLines: Writable;
  showAlert(alert: ShownAlert): void;
}

/**
 * Makes a screen of the process's own streams. With `json`, standard output has alerts as KubeArmor's JSON and nothing
 * else, and what is for people goes to standard error.
 */
export function createScreen({ json }: { readonly json: boolean }): Screen {
  const output = json ? process.stderr : process.stdout;
  const terminal = new Terminal({
    output,
    isTerminal: output.isTTY,
    // A pseudo-terminal that nobody has given a size has 0 columns.
    columns: () => (output.columns > 0 ? output.columns : columnsWhereUnknown),
    plainStatusEveryMs,
  });
  const palette = paletteFor(output.isTTY, process.env);
  const logLines = new Writable({
    write(chunk: Buffer, _encoding, done) {
      terminal.print(chunk.toString());
      done();
    },
  });
  return {
    terminal,
    logLines,
    showAlert(alert) {
      if (json) process.stdout.write(`${kubeArmorJsonLine(alert)}\n`);
      else terminal.print(alertText(alert, palette));
    },
  };
}
