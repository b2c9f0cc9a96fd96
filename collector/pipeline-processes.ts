/**
 * The processes of the pipeline whose file and network acts are left out: some are there before the monitor is, others, such as
 * an engine that was started anew, come while it runs.
 */
export class PipelineProcesses {
  #register: ((hostPid: number) => void) | undefined;
  readonly #waiting: number[] = [];

  add(hostPid: number): void {
    if (this.#register === undefined) this.#waiting.push(hostPid);
    else this.#register(hostPid);
  }

  /** Gives `register` those that were added and, from now on, each that is. */
  handTo(register: (hostPid: number) => void): void {
    this.#register = register;
    for (const hostPid of this.#waiting.splice(0)) register(hostPid);
  }
}
