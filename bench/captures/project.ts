import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Modules of the project, a C file and a header each. */
const modules = 240;
/** Headers of other modules that each includes. */
const includesPerModule = 3;
/** What the configure script looks for, each with a program that it compiles. */
const headersLookedFor = ['stddef', 'stdint', 'stdarg', 'limits', 'errno', 'string', 'sys/capsicum', 'mach/mach'];

/**
 * A small C project as many are: a configure script in the manner of autoconf, a Makefile whose rules call a shell script for
 * each file in the manner of libtool, a library, and a program that is run for each test. Nothing in it is random.
 */
export async function makeProject(folder: string): Promise<void> {
  await mkdir(path.join(folder, 'src/.deps'), { recursive: true });
  const numbers = Array.from({ length: modules }, (_, number) => number);
  for (const number of numbers) {
    await writeFile(path.join(folder, `src/module-${number}.h`), header(number));
    await writeFile(path.join(folder, `src/module-${number}.c`), source(number));
  }
  await writeFile(path.join(folder, 'src/main.c'), program(numbers));
  await writeFile(path.join(folder, 'Makefile.in'), makefile(numbers));
  for (const [name, script] of [
    ['configure', configure],
    ['compile', compile],
    ['build', build],
  ] as const) {
    await writeFile(path.join(folder, name), script);
    await chmod(path.join(folder, name), 0o755);
  }
}

function header(number: number): string {
  return `#ifndef MODULE_${number}_H\n#define MODULE_${number}_H\nunsigned long module_${number}(unsigned depth);\n#endif\n`;
}

function source(number: number): string {
  const others = Array.from({ length: includesPerModule }, (_, place) => (number * 7 + place * 31 + 1) % modules);
  const includes = [number, ...others].map((other) => `#include "module-${other}.h"\n`).join('');
  const calls = others.map((other) => `module_${other}(depth - 1)`).join(' + ');
  return `${includes}unsigned long module_${number}(unsigned depth)\n{\n\treturn depth == 0 ? ${number} : ${calls};\n}\n`;
}

/** Prints what module number argv[1] gives. */
function program(numbers: readonly number[]): string {
  const includes = numbers.map((number) => `#include "module-${number}.h"\n`).join('');
  const cases = numbers.map(
    (number) => `\tcase ${number}:\n\t\tprintf("%lu\\n", module_${number}(2));\n\t\treturn 0;\n`,
  );
  return `#include <stdio.h>
#include <stdlib.h>
${includes}
int main(int count, char **values)
{
\tswitch (count == 2 ? atoi(values[1]) : -1) {
${cases.join('')}\t}
\treturn 1;
}
`;
}

const configure = `#!/bin/sh
LC_ALL=C
export LC_ALL
for header in ${headersLookedFor.join(' ')}; do
	name=$(echo "HAVE_\${header}_H" | sed 'y%abcdefghijklmnopqrstuvwxyz/%ABCDEFGHIJKLMNOPQRSTUVWXYZ_%')
	echo "#include <$header.h>" >conftest.c
	if gcc -c -o conftest.o conftest.c 2>conftest.err; then
		echo "#define $name 1" >>confdefs.h
	else
		grep -v '^ *+' conftest.err >/dev/null
		echo "/* #undef $name */" >>confdefs.h
	fi
	rm -f conftest.c conftest.o conftest.err
done
mv confdefs.h config.h
sed "s,@CC@,$(basename gcc),; s,@BUILD@,$(uname -m)-$(uname -s | tr A-Z a-z)," Makefile.in >Makefile
`;

/** As libtool and depcomp do: takes names apart with sed, compiles, and renames what tells the dependencies. */
const compile = `#!/bin/sh
object=$1
shift
folder=$(echo "$object" | sed 's,/[^/]*$,,')
name=$(echo "$object" | sed 's,.*/,,; s,\\.o$,,')
quoted=$(for argument in "$@"; do echo "$argument"; done | sed 's,[^A-Za-z0-9/.=_-],?,g')
"$@" -MF "$folder/.deps/$name.Tpo" || exit 1
mv -f "$folder/.deps/$name.Tpo" "$folder/.deps/$name.Po"
test -n "$quoted"
`;

const build = `#!/bin/sh
set -e
cd /project
./configure
make -j2 --silent
make -j2 --silent check
make --silent clean
`;

function makefile(numbers: readonly number[]): string {
  const objects = numbers.map((number) => `src/module-${number}.o`).join(' ');
  return `CC = @CC@
BUILD = @BUILD@
OBJECTS = ${objects}

all: project

.c.o:
	./compile $@ $(CC) -I. -MT $@ -MD -MP -c -o $@ $<

libmodules.a: $(OBJECTS)
	rm -f $@ && ar cr $@ $(OBJECTS) && ranlib $@

project: src/main.o libmodules.a
	$(CC) -o $@ src/main.o libmodules.a

check: $(OBJECTS:.o=.log)

%.log: project
	number=$$(echo $* | sed 's,.*-,,'); ./project $$number >$@ && test -s $@

clean:
	for object in $(OBJECTS); do rm -f $$object; done
	rm -rf project libmodules.a src/.deps src/*.log
`;
}
