import { isIPv4, isIPv6 } from 'node:net';
import { nearestName } from './nearest.ts';
import type { Shape, TextProblem } from './shape.ts';
import { syscallNames } from './syscall-names.ts';
import { maxTextLength } from './text-rules.ts';

// Values of the blocks that are not about paths.

function error(message: string, expected: string, suggestion?: string): readonly TextProblem[] {
  return [{ severity: 'error', message, expected, ...(suggestion === undefined ? {} : { suggestion }) }];
}

/** Longest domain (RFC 1035, section 2.3.4), with a final dot. */
const maxDomainLength = 254;

/** A `domain`, or several with commas. */
export const domainList: Shape = {
  type: 'text',
  maxLength: maxTextLength,
  problems: (text) => text.split(',').flatMap((one) => domainProblems(one.trim())),
};

function domainProblems(domain: string): readonly TextProblem[] {
  const expected = 'a domain, as example.com';
  if (domain.startsWith('*.')) {
    const suggestion = domain.slice(2);
    const message = `A domain covers all below it and has no wildcards: write ${suggestion}.`;
    return error(message, expected, suggestion);
  }
  // Underscores are in use (`_dmarc`), and what is not ASCII goes over the wire in another form.
  if (domain.length <= maxDomainLength && /^([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?$/i.test(domain)) return [];
  return error(`Expected ${expected}, got "${domain}".`, expected);
}

/** The name of a system call. */
export const syscallName: Shape = {
  type: 'text',
  maxLength: maxTextLength,
  problems: (text) => {
    if (text === 'umount') {
      const message = 'x86-64 has this call under the name umount2 alone; the rule is about both.';
      return [{ severity: 'warning', message, suggestion: 'umount2' }];
    }
    if (syscallNames.has(text)) return [];
    const suggestion = nearestName(text, [...syscallNames]);
    const hint = suggestion === undefined ? '' : ` Did you mean ${suggestion}?`;
    return error(`Linux has no system call "${text}".${hint}`, 'the name of a system call', suggestion);
  },
};

/** Path of a syscall rule: a file, or with a final `/` a directory. */
export const syscallPath: Shape = {
  type: 'text',
  maxLength: maxTextLength,
  problems: (text) =>
    text.startsWith('/') && !text.includes('\0')
      ? []
      : error(`Expected an absolute path, got "${text}".`, 'an absolute path', `/${text}`),
};

/** `class` of a USB device: its name, a number of one byte, or ALL. */
export const deviceClass: Shape = {
  type: 'textOrInteger',
  min: 0,
  max: 255,
  problems: (text) => {
    const expected = 'a class by name, a number up to 255 (decimal or 0x…), or ALL';
    if (/^[A-Za-z][A-Za-z _-]*$/.test(text)) return [];
    const number = /^(0x[0-9a-f]{1,8}|[0-9]{1,8})$/i.test(text) ? Number(text) : -1;
    return number >= 0 && number <= 255 ? [] : error(`Expected ${expected}, got "${text}".`, expected);
  },
};

/** A number of one byte, as `subClass` and `protocol` of a USB device are: decimal or 0x…. */
export const byteNumber: Shape = {
  type: 'textOrInteger',
  min: 0,
  max: 255,
  problems: (text) => {
    const expected = 'a number up to 255, decimal or 0x…';
    const number = /^(0x[0-9a-f]{1,8}|[0-9]{1,8})$/i.test(text) ? Number(text) : -1;
    return number >= 0 && number <= 255 ? [] : error(`Expected ${expected}, got "${text}".`, expected);
  },
};

/** `cidr` of an ipBlock. */
export const cidr: Shape = {
  type: 'text',
  maxLength: maxTextLength,
  problems: (text) => {
    const [address = '', length = '', ...more] = text.split('/');
    const longest = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1;
    const fits = /^[0-9]{1,3}$/.test(length) && Number(length) <= longest;
    if (fits && more.length === 0) return [];
    const suggestion = longest !== -1 && !text.includes('/') ? `${text}/${longest}` : undefined;
    const expected = 'a block of addresses, as 10.0.0.0/8';
    return error(`Expected ${expected}, got "${text}".`, expected, suggestion);
  },
};

const portNames: readonly string[] = ['http', 'https', 'ssh', 'dns'];

/** `port`: a number, or one of KubeArmor's four names. */
export const port: Shape = {
  type: 'textOrInteger',
  min: 1,
  max: 65_535,
  problems: (text) => {
    if (portNames.includes(text.toLowerCase())) return [];
    if (/^[0-9]{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535) return [];
    const expected = `a port from 1 to 65535, or one of ${portNames.join(', ')}`;
    return error(`Expected ${expected}, got "${text}".`, expected, nearestName(text, portNames));
  },
};
