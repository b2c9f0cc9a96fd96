import { containerLayouts, type ContainerLayout } from './container-layouts.ts';

/** What a cgroup's path says of a container. */
export interface RecognizedContainer {
  readonly layout: ContainerLayout;
  readonly containerId: string;
}

const hex64 = /^[0-9a-f]{64}$/;

/**
 * The container that the cgroup at `path` is by its layout; `undefined` where it is none. Only the path's last three
 * components matter: whether an ancestor is a container, and whether an unprivileged user owns one, is for the caller.
 */
export function recognizeCgroup(path: string): RecognizedContainer | undefined {
  const components = path.split('/');
  const name = components.at(-1) ?? '';
  const parent = components.at(-2) ?? '';
  const grandparent = components.at(-3) ?? '';
  for (const layout of containerLayouts) {
    const containerId = idIn(layout, name);
    if (containerId === undefined) continue;
    if (layout.parent !== undefined) {
      const fits = layout.parentIsPrefix === true ? parent.startsWith(layout.parent) : parent === layout.parent;
      if (!fits) continue;
    }
    if (layout.grandparent !== undefined && grandparent !== layout.grandparent) continue;
    return layout.isContainer ? { layout, containerId } : undefined;
  }
  return undefined;
}

/** Last component of a cgroup's path: the id of a container whose runtime has left no other trace. */
export function lastComponent(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function idIn(layout: ContainerLayout, name: string): string | undefined {
  if (!name.endsWith(layout.after)) return undefined;
  const rest = name.slice(0, name.length - layout.after.length);
  if (layout.id === 'any') {
    return rest.startsWith(layout.before) && rest.length > layout.before.length
      ? rest.slice(layout.before.length)
      : undefined;
  }
  const id = rest.slice(-64);
  const ahead = rest.slice(0, -64);
  if (!hex64.test(id)) return undefined;
  return (layout.beforeIsInfix === true ? ahead.endsWith(layout.before) : ahead === layout.before) ? id : undefined;
}
