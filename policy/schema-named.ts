import { capabilityNames, protocolNames } from './named.ts';
import { fromSource, flag, inherited, listOf, misplacedBlocks } from './schema-parts.ts';
import type { MappingShape } from './shape.ts';
import { commaList } from './text-rules.ts';
import { domainList } from './value-rules.ts';

// The blocks whose rules name what they are about, where those of files and programs have paths.

/** The block `network`; a host policy's protocol rules need a source each. */
export function networkBlock(host: boolean): MappingShape {
  return {
    type: 'mapping',
    fields: {
      matchProtocols: listOf({
        type: 'mapping',
        fields: {
          protocol: commaList(protocolNames, 'protocol'),
          fromSource,
          ...(host ? {} : { pts: flag }),
          ...inherited,
        },
        required: host ? ['protocol', 'fromSource'] : ['protocol'],
      }),
      matchDNSQueries: listOf({
        type: 'mapping',
        fields: { domain: domainList, fromSource, ...inherited },
        required: ['domain'],
      }),
      ...inherited,
    },
    misplaced: misplacedBlocks('network'),
  };
}

/** The block `capabilities`; a host policy's rules need a source each. */
export function capabilitiesBlock(host: boolean): MappingShape {
  const words = [...capabilityNames, ...capabilityNames.map((name) => `cap_${name}`)];
  return {
    type: 'mapping',
    fields: {
      matchCapabilities: listOf({
        type: 'mapping',
        fields: { capability: commaList(words, 'capability'), fromSource, ...inherited },
        required: host ? ['capability', 'fromSource'] : ['capability'],
      }),
      ...inherited,
    },
    misplaced: misplacedBlocks('capabilities'),
  };
}
