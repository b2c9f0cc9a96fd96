import { fileCases } from './file-cases.ts';
import { networkCases } from './network-cases.ts';
import type { OperationCase } from './operation-case.ts';
import { processCases } from './process-cases.ts';

/** The rows of docs/operations.md, in their order. */
export const operationCases: readonly OperationCase[] = [...processCases, ...fileCases, ...networkCases];
