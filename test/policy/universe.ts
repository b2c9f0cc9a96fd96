import type { Subject } from '../../policy/model.ts';

/** Most paths of a universe. */
const maxPaths = 60_000;

/**
 * Paths by which what subjects cover can be told apart: all those of names that could be a component of one of them, to a
 * depth beyond the deepest.
 */
export function universeOf(subjects: readonly Subject[]): readonly string[] {
  const written = subjects.flatMap((subject) => {
    switch (subject.kind) {
      case 'path':
        return [subject.path];
      case 'name':
        return [subject.name];
      case 'directory':
        return [subject.directory];
      case 'pattern':
        return [subject.pattern];
      default:
        return [];
    }
  });
  if (!subjects.some(({ kind }) => kind === 'pattern')) return [];
  const components = new Set(['zz']);
  let depth = 1;
  for (const one of written) {
    const parts = Buffer.from(one, 'utf8')
      .toString('latin1')
      .split('/')
      .filter((part) => part !== '');
    depth = Math.max(depth, parts.length + 1);
    for (const part of parts) for (const sample of samplesOf(part)) components.add(sample);
  }
  return pathsOf([...components], depth);
}

/** Every path of these names up to a depth, as far as there is room. */
export function pathsOf(names: readonly string[], depth: number): readonly string[] {
  const paths: string[] = ['/'];
  let level = [''];
  for (let at = 0; at < depth && paths.length + level.length * names.length <= maxPaths; at++) {
    level = level.flatMap((one) => names.map((name) => `${one}/${name}`));
    paths.push(...level);
  }
  return paths;
}

/** Names that a component may stand for: each wildcard as nothing, as one byte, as two. */
function samplesOf(component: string): readonly string[] {
  const alternatives = component.replace(/[{}]/g, ',').split(',');
  return alternatives.flatMap((one) => {
    const oneByte = one.replace(/\[\^.\]/g, 'q').replace(/\[(.)[^\]]*\]/g, '$1');
    return [
      oneByte.replace(/\*+/g, '').replace(/\?/g, 'q'),
      oneByte.replace(/\*+/g, 'q').replace(/\?/g, 'y'),
      oneByte.replace(/\*+/g, 'yq').replace(/\?/g, 'q'),
    ].filter((sample) => sample !== '');
  });
}
