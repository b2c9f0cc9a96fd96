import type { MonitorStatistics } from '../native/monitor.ts';
import { symbolsOfOperation, type OperationCounters } from '../schemas/generated.ts';

/**
 * The kernel's figures as a batch has them: a row for each CPU and operation that was seen. Runs of programs that the kernel
 * skipped are dropped events of an operation that nobody knows; what was told of at the start of the session was seen by no CPU.
 */
export function countersOf(statistics: MonitorStatistics, existing: number): readonly OperationCounters[] {
  const rows: OperationCounters[] = [];
  for (let cpu = 0; cpu < statistics.cpus; cpu++) {
    for (let place = 0; place < statistics.operations; place++) {
      const index = cpu * statistics.operations + place;
      const seen = statistics.seen[index] ?? 0;
      const operation = symbolsOfOperation[place];
      if (seen === 0 || operation === undefined) continue;
      rows.push({
        cpu,
        operation,
        seen,
        filtered: statistics.filtered[index] ?? 0,
        submitted: statistics.submitted[index] ?? 0,
        dropped: statistics.dropped[index] ?? 0,
      });
    }
  }
  const { skippedRuns } = statistics;
  if (skippedRuns > 0) {
    rows.push({ cpu: -1, operation: 'unknown', seen: skippedRuns, filtered: 0, submitted: 0, dropped: skippedRuns });
  }
  if (existing > 0) {
    rows.push({ cpu: -1, operation: 'existing', seen: existing, filtered: 0, submitted: existing, dropped: 0 });
  }
  return rows;
}
