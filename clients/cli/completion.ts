import type { Command } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;

interface Words {
  readonly path: string;
  readonly next: readonly string[];
}

function words(command: Command, path = ''): readonly Words[] {
  const options = command.options.map((option) => option.long ?? '').filter((name) => name !== '');
  const own = { path, next: [...command.commands.map((child) => child.name()), ...options] };
  return [own, ...command.commands.flatMap((child) => words(child, `${path} ${child.name()}`.trim()))];
}

/** A completion script: what may follow each command, and nothing that needs the server. */
export function completion(program: Command, shell: (typeof shells)[number]): string {
  const all = words(program);
  if (shell === 'fish') {
    const lines = all.flatMap(({ path, next }) => {
      const seen =
        path === ''
          ? 'not __fish_seen_subcommand_from ' + program.commands.map((one) => one.name()).join(' ')
          : path
              .split(' ')
              .map((word) => `__fish_seen_subcommand_from ${word}`)
              .join('; and ');
      return next.map((word) =>
        word.startsWith('--') ? `complete -c certctl -n '${seen}' -l ${word.slice(2)}` : `complete -c certctl -f -n '${seen}' -a ${word}`,
      );
    });
    return lines.join('\n');
  }
  const cases = all.map(({ path, next }) => `    '${path}') words='${next.join(' ')}' ;;`).join('\n');
  const known = all.map(({ path }) => `'${path}'`).join('|');
  // What is no command is an option, its value, or a name: none of them leads further.
  const body = `_certctl_words() {
  local path='' word words=''
  for word in "$@"; do case "\${path:+$path }$word" in ${known}) path="\${path:+$path }$word" ;; esac; done
  case "$path" in
${cases}
  esac
  printf '%s' "$words"
}`;
  if (shell === 'bash')
    return `${body}
_certctl() {
  local now="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=($(compgen -W "$(_certctl_words "\${COMP_WORDS[@]:1:COMP_CWORD-1}")" -- "$now"))
}
complete -o default -F _certctl certctl`;
  return `#compdef certctl
${body}
_certctl() { compadd -- \${=$(_certctl_words "\${(@)words[2,CURRENT-1]}")} }
compdef _certctl certctl`;
}
