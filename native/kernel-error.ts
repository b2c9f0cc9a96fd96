import { PalisadeError } from '../runtime/errors.ts';

/** What the addon knows of a refusal. */
export interface KernelErrorFacts {
  /** Positive, such as 1 for EPERM. */
  readonly errno: number;
  /** The BPF program that was refused; empty where none is to blame. */
  readonly program: string;
  /** All that the kernel or libbpf said: a verifier's log may have thousands of lines. The message has the last ones. */
  readonly complaint: string;
  /** What a person might do; empty where we don't know. */
  readonly remedy: string;
}

/** The kernel or libbpf refused something. The class that the addon is given to throw. */
export class KernelError extends PalisadeError {
  readonly errno: number;
  readonly program: string;
  readonly complaint: string;
  readonly remedy: string;

  constructor(message: string, facts: KernelErrorFacts) {
    super('KERNEL_REFUSED', message);
    this.errno = facts.errno;
    this.program = facts.program;
    this.complaint = facts.complaint;
    this.remedy = facts.remedy;
  }
}
