import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { printable } from './printable.ts';

/** Passed to whoever logs; there is no global one. One event, one line: a sentence as message, facts as fields. */
export type Logger = PinoLogger;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Where lines go. Default: the process's standard error, since standard output is for results. */
  readonly destination?: NodeJS.WritableStream;
  /** Lines for people in place of JSON. Default: whether the destination is a terminal. */
  readonly pretty?: boolean;
}

/** Makes a logger: JSON, a line an event, or lines for people on a terminal. */
export function createLogger(options: LoggerOptions): Logger {
  const destination = options.destination ?? process.stderr;
  const onTerminal = 'isTTY' in destination && destination.isTTY;
  const forPeople = options.pretty ?? onTerminal;
  const format = forPeople
    ? prettyFactory({
        colorize: onTerminal,
        ignore: 'pid,hostname',
        translateTime: 'SYS:HH:MM:ss.l',
        // JSON escapes control characters; this format would print them.
        messageFormat: (line, messageKey) => {
          const message = line[messageKey];
          return typeof message === 'string' ? printable(message) : '';
        },
      })
    : (line: string): string => line;
  // Written at once: lines of a process that is about to die must not stay in a buffer.
  const stream: DestinationStream = {
    write: (line) => {
      destination.write(escaped(format(line)));
    },
  };
  return pino({ level: options.level, timestamp: pino.stdTimeFunctions.isoTime }, stream);
}

/**
 * What JSON leaves as it is and terminals obey: the control characters from U+007F on, of which U+009B begins a sequence, line
 * separators, and what turns text around. As JSON escapes, so that a line of JSON says the same as before.
 */
function escaped(line: string): string {
  return line.replace(
    /[\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
