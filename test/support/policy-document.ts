import { createHash } from 'node:crypto';
import { splitDocuments } from '../../policy/split-documents.ts';
import type { PolicyDocument } from '../../schemas/generated.ts';

/** The key under which the log has a policy. */
export function policyKey({ kind, namespace, name }: PolicyDocument): string {
  return `${kind}/${namespace}/${name}`;
}

/** The documents of a YAML text, as the policy source would append them. */
export function policyDocuments(text: string, options: { file?: string; sourceId?: string } = {}): PolicyDocument[] {
  return splitDocuments(text, options.file ?? 'policies.yaml').documents.map((document) => ({
    ...document,
    sourceId: options.sourceId ?? 'test',
    contentHash: createHash('sha256').update(document.text).digest('hex'),
  }));
}
