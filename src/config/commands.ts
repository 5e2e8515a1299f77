/**
 * Does a configured command exist, as far as that can be known without running it? Found out at the start, because a
 * misspelt test command would otherwise be met after an hour of paid work.
 */
import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import { isRecord } from './problems.ts';
import { findNearest } from './suggest.ts';
import { existsAtBranch, listTree, readAtBranch } from './repository.ts';

export interface CommandFinding {
  message: string;
  mend: string;
}

export interface CommandPlace {
  /** Null where the repository is not on this machine. */
  repository: string | null;
  branch: string;
  /** A set-up command may make what is not in the repository. */
  hasSetup: boolean;
  env: NodeJS.ProcessEnv;
}

/** What is wrong with a command (argv), or null where nothing is known to be. */
export function checkCommand(argv: readonly string[], place: CommandPlace): CommandFinding | null {
  const words = readWords(argv);
  const program = words[0];
  if (program === undefined) return null;
  return checkProgram(program, place) ?? checkScript(words, place);
}

/** The words of the first simple command, or none where a shell would have to be asked. */
function readWords(argv: readonly string[]): readonly string[] {
  if (argv[0] !== 'sh' || argv[1] !== '-c' || argv[2] === undefined) return argv;
  const first = argv[2].split(/&&|\|\||[;|&\n]/)[0] ?? '';
  const words = first
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
  while (words[0] !== undefined && /^[A-Za-z_]\w*=/.test(words[0])) words.shift();
  const program = words[0] ?? '';
  return /^[\w./+@-]+$/.test(program) && !SHELL_WORDS.has(program) ? words : [];
}

const SHELL_WORDS: ReadonlySet<string> = new Set(
  '. : alias bg break case cd command continue do eval exec exit export fg for function getopts hash if jobs read readonly return set shift source test time times trap type ulimit umask unset until wait while'.split(
    ' ',
  ),
);

function checkProgram(program: string, place: CommandPlace): CommandFinding | null {
  if (path.isAbsolute(program)) {
    return isExecutable(program)
      ? null
      : { message: `there is no executable ${program}`, mend: 'correct the path, or make the file executable' };
  }
  if (!program.includes('/')) return isOnPath(program, place.env) ? null : explainMissing(program);
  if (place.repository === null || place.hasSetup) return null;
  const file = path.posix.normalize(program);
  if (existsAtBranch(place.repository, place.branch, file, place.env)) return null;
  return {
    message: `there is no ${file} in the repository on ${place.branch}`,
    mend: `commit it, correct the path, or make it in commands.setup`,
  };
}

function explainMissing(program: string): CommandFinding {
  const nearest = findNearest(program, COMMON_PROGRAMS);
  const suggestion = nearest === null || nearest === program ? '' : `; did you mean "${nearest}"?`;
  return {
    message: `there is no program "${program}" on the PATH${suggestion}`,
    mend: `install ${program}, or name another command`,
  };
}

const COMMON_PROGRAMS = [
  'npm',
  'npx',
  'node',
  'pnpm',
  'yarn',
  'bun',
  'make',
  'pytest',
  'python3',
  'go',
  'cargo',
  'mvn',
  'gradle',
  'dotnet',
  'bundle',
  'composer',
  'tox',
  'just',
];

/** `npm test` and `make` name something inside the repository: that can be missing too. */
function checkScript(words: readonly string[], place: CommandPlace): CommandFinding | null {
  if (place.repository === null) return null;
  if (words[0] === 'npm') return checkNpmScript(words, place.repository, place);
  if (words[0] === 'make' && !words.some((word) => /^-[Cf]/.test(word) || word.startsWith('--'))) {
    const top = listTree(place.repository, place.branch, place.env);
    if (top.some((name) => ['Makefile', 'makefile', 'GNUmakefile'].includes(name))) return null;
    return {
      message: `there is no Makefile in the repository on ${place.branch}`,
      mend: 'commit one, or name another command',
    };
  }
  return null;
}

function checkNpmScript(words: readonly string[], repository: string, place: CommandPlace): CommandFinding | null {
  const [, verb, name] = words;
  const script = verb === 'test' || verb === 't' ? 'test' : verb === 'run' || verb === 'run-script' ? name : undefined;
  if (script === undefined || script.startsWith('-')) return null;
  const text = readAtBranch(repository, place.branch, 'package.json', place.env);
  if (text === null) {
    return {
      message: `npm needs a package.json, and the repository has none on ${place.branch}`,
      mend: 'commit one, or name another command',
    };
  }
  const scripts = readScripts(text);
  if (scripts === null || Object.hasOwn(scripts, script)) return null;
  const nearest = findNearest(script, Object.keys(scripts));
  return {
    message: `package.json on ${place.branch} has no script "${script}"${nearest === null ? '' : `; did you mean "${nearest}"?`}`,
    mend: `add the script "${script}" to package.json, or name another command`,
  };
}

/** The scripts of a package.json, or null where it cannot be read. */
export function readScripts(text: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(text);
    const scripts = isRecord(parsed) ? (parsed['scripts'] ?? {}) : null;
    return isRecord(scripts) ? scripts : null;
  } catch {
    return null;
  }
}

/** True where a program of this name would be found by a start from this environment. */
export function isOnPath(program: string, env: NodeJS.ProcessEnv): boolean {
  return (env['PATH'] ?? '')
    .split(path.delimiter)
    .some((directory) => directory !== '' && isExecutable(path.join(directory, program)));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
