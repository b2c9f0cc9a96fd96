/** Lets timers, signals and other I/O have their turn: promises alone would go on before them. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
