# Derivations without a sandbox: each build sees the machine's PATH and network.
{ lib, system }:
let
  path = builtins.getEnv "PATH";
  rustup = builtins.getEnv "RUSTUP_HOME";
  cargo = builtins.getEnv "CARGO_HOME";
in
rec {
  make =
    {
      name,
      script,
      inputs ? [ ],
      meta ? { },
      env ? { },
    }:
    derivation (
      env
      // {
        inherit name system;
        builder = "/bin/bash";
        # bash itself must end last: nix kills a builder once its stderr closes, and coreutils close it early.
        args = [
          "-euo"
          "pipefail"
          "-c"
          ''
            export PATH=${lib.makeBinPath inputs}:${path} HOME=$TMPDIR/home
            export RUSTUP_HOME=${rustup} CARGO_HOME=${cargo}
            mkdir -p "$HOME"
            ${script}
            exit 0
          ''
        ];
      }
    )
    // {
      inherit meta;
      pname = name;
      # What it was fetched from, for a recipe that picks from it.
      overrideAttrs =
        change:
        let
          changed = change {
            srcs = [
              { name = "pulumi-v0.tar.gz"; }
              { name = "pulumi-resource-aws-v0.tar.gz"; }
              { name = "pulumi-resource-random-v0.tar.gz"; }
            ];
          };
        in
        assert builtins.length changed.srcs == 2;
        make {
          inherit
            name
            script
            inputs
            meta
            env
            ;
        };
    };

  # Programs of this machine by their own paths, which some find their files by; one that is missing says so when it runs.
  host =
    name: programs:
    overridable (make {
      inherit name;
      meta.mainProgram = builtins.head programs;
      script = ''
        mkdir -p $out/bin
        for program in ${toString programs}; do
          if found=$(command -v $program); then
            printf '#!/bin/sh\nexec %s "$@"\n' "$found" >$out/bin/$program
          else
            printf '#!/bin/sh\necho "%s is not on this machine" >&2\nexit 127\n' $program >$out/bin/$program
          fi
          chmod +x $out/bin/$program
        done
      '';
    });
  # Files go where shells and `man` look for them, by the ends of their names.
  installShellFiles = make {
    name = "installShellFiles";
    script = ''
      mkdir -p $out/bin
      cat >$out/bin/installShellCompletion <<'END'
      #!/bin/bash
      set -euo pipefail
      for file; do
        name=''${file%.*}
        case $file in
          *.bash) install -D -m644 "$file" "$out/share/bash-completion/completions/$name" ;;
          *.fish) install -D -m644 "$file" "$out/share/fish/vendor_completions.d/$file" ;;
          *.zsh) install -D -m644 "$file" "$out/share/zsh/site-functions/_$name" ;;
          *) exit 1 ;;
        esac
      done
      END
      printf '%s\n' '#!/bin/sh' 'install -D -m644 "$1" "$out/share/man/man1/$1"' >$out/bin/installManPage
      chmod +x $out/bin/*
    '';
  };
  overridable = package: package // { override = _: package; };

  runCommand =
    name:
    {
      nativeBuildInputs ? [ ],
    }:
    script:
    make {
      inherit name script;
      inputs = nativeBuildInputs;
    };

  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      runtimeEnv ? { },
      meta ? { },
    }:
    make {
      inherit name;
      meta = {
        mainProgram = name;
      }
      // meta;
      env = {
        passAsFile = [ "whole" ];
        whole = ''
          #!/bin/bash
          set -o errexit
          set -o nounset
          set -o pipefail
          ${lib.concatMapStrings (key: "export ${key}='${runtimeEnv.${key}}'\n") (
            builtins.attrNames runtimeEnv
          )}
          export PATH="${lib.makeBinPath runtimeInputs}:$PATH"
          ${text}
        '';
      };
      script = ''
        mkdir -p $out/bin
        install -m755 "$wholePath" $out/bin/${name}
        bash -n $out/bin/${name}
        shellcheck $out/bin/${name}
      '';
    };

  mkShell =
    { packages }:
    make {
      name = "shell";
      inputs = packages;
      script = "mkdir $out";
    };
}
