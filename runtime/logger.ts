import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';
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
  const stream: DestinationStream = forPeople
    ? pretty({
        destination,
        // Written at once: lines of a process that is about to die must not stay in a buffer.
        sync: true,
        colorize: onTerminal,
        ignore: 'pid,hostname',
        translateTime: 'SYS:HH:MM:ss.l',
        // JSON escapes control characters; this format would print them.
        messageFormat: (line, messageKey) => {
          const message = line[messageKey];
          return typeof message === 'string' ? printable(message) : '';
        },
      })
    : destination;
  return pino({ level: options.level, timestamp: pino.stdTimeFunctions.isoTime }, stream);
}
