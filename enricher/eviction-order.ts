/** Numbers what may be forgotten, in the order in which it may be: from 1, kept over restarts with the node's state. */
export class EvictionOrder {
  next = 1;

  /** The next number. */
  take(): number {
    return this.next++;
  }
}
