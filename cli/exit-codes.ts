/** How every `palisade` command ends. The numbers above 1 are those of sysexits.h where one fits. docs/cli.md lists them. */
export const exitCodes = {
  done: 0,
  /** The command ran and failed: the message says how. */
  failed: 1,
  /** An unknown command or flag. */
  usage: 64,
  /** Something that the command needs is not here or not running: a kernel that can, root, a container runtime. */
  unavailable: 69,
  /** Another `palisade up` owns the data directory. */
  busy: 75,
  /** The configuration is invalid. */
  config: 78,
  /** Stopped by a signal before it was done: a second SIGINT or SIGTERM, before everything was drained; of `demo` the first. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
