#!/usr/bin/env bash
# Puts the serverless end into an AWS account, and takes it away again. The flake's app `deploy` is this text; docs/deploy.md says how to use it.
#
# Everything that can be refused is refused before anything is built or created, so the handler is no dependency of this script:
# the flake names its recipe (HANDLER_DRV), which is built here after the checks. HANDLER_ZIP names a ready file instead.
set -euo pipefail

usage='deploy [up|preview|destroy|show] [STACK] [pulumi flags]
deploy token [--print] [STACK]
deploy pulumi STACK COMMAND...

up       creates the stack or brings it up to date (the default)
preview  says what up would do
destroy  removes what up created
show     prints the addresses and the command that starts the forwarder
token    makes a new access token and keeps it in the stack file, encrypted; with --print writes it to stdout
pulumi   runs any command of the engine on the stack: pulumi dev config set --secret jwtSecret

STACK is dev, unless given: each Pulumi.STACK.yaml is one.'

self='nix run .#deploy --'
[ -n "${HANDLER_DRV:-}" ] || self=$0

say() { printf '%s\n' "$*" >&2; }
fail() {
    printf 'deploy: %s\n' "$*" >&2
    exit 2
}

# --- What the command line and the checkout say.

find_checkout() {
    root=$(git rev-parse --show-toplevel 2>/dev/null || pwd)
    grep -qs '^name: http-tunnel$' "$root/Pulumi.yaml" || fail "no http-tunnel checkout here: run this in one, its stack files are written to"
}

find_stack() {
    stack_file=$root/Pulumi.$stack.yaml
    domain_file=$root/domain/Pulumi.$stack.yaml
    [[ $stack =~ ^[A-Za-z0-9._-]+$ && -f $stack_file ]] || fail "no stack '$stack': there is $(stack_names) (each Pulumi.NAME.yaml is one)"
}

stack_names() {
    local file names=()
    for file in "$root"/Pulumi.*.yaml; do
        file=${file##*/Pulumi.}
        names+=("${file%.yaml}")
    done
    local IFS=,
    echo "${names[*]}"
}

# The plain value of a setting in a stack file; nothing if there is none, or if it is encrypted.
setting() {
    awk -v key="$1:" '{ name = $1; gsub(/["'\'']/, "", name) }
        name == key { $1 = ""; sub(/ +#.*$/, ""); gsub(/^[ "'\'']+|[ "'\'']+$/, ""); if ($0 !~ /^[{] *secure:/) print; exit }' "$2"
}
encrypted() { grep -A1 -E "^ *[\"']?$1[\"']?:" "$2" | grep -q 'secure:'; }
configured() { encrypted "$1" "$2" || [ -n "$(setting "$1" "$2")" ]; }

# --- What is refused.

check_settings() {
    local name url
    for name in token jwtSecret; do
        [ -z "$(setting "http-tunnel:$name" "$stack_file")" ] || fail "$name stands in plain text in ${stack_file##*/}: take it out and set it with: $self pulumi $stack config set --secret $name"
    done
    configured http-tunnel:token "$stack_file" || configured http-tunnel:jwtSecret "$stack_file" || configured http-tunnel:jwks "$stack_file" ||
        fail "nobody may connect to stack $stack yet: make a token with: $self token $stack"
    [[ $(setting http-tunnel:jwks "$stack_file") =~ ^[A-Za-z0-9+/=]*$ ]] || fail "http-tunnel:jwks in ${stack_file##*/} is not base64: write there what this prints: base64 <jwks.json | tr -d '\\n'"
    url=$(setting http-tunnel:publicUrl "$stack_file")
    [[ -z $url || $url == https://*"{tunnel}"* ]] || fail "http-tunnel:publicUrl is '$url' in ${stack_file##*/}: it must begin with https:// and hold {tunnel}"
    [ -f "$domain_file" ] || return 0
    for name in domain hostedZoneId; do
        configured "http-tunnel-domain:$name" "$domain_file" || fail "domain/${domain_file##*/} does not set http-tunnel-domain:$name"
    done
}

# A value from the profile's section in the files that the AWS tools share.
profile_value() {
    local profile file
    profile=$(setting aws:profile "$stack_file")
    profile=${profile:-${AWS_PROFILE:-${AWS_DEFAULT_PROFILE:-default}}}
    for file in "${AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}" "${AWS_CONFIG_FILE:-$HOME/.aws/config}"; do
        [ -r "$file" ] || continue
        awk -v profile="$profile" -v wanted="$1" -F ' *= *' '
            /^\[/ { inside = ($0 == "[" profile "]" || $0 == "[profile " profile "]"); next }
            inside && $1 ~ "^(" wanted ")$" { print $2; exit }' "$file"
    done | head -n 1
}

# The metadata service of a machine in AWS, which hands out the machine's role.
in_aws() { [ "${AWS_EC2_METADATA_DISABLED:-}" != true ] && timeout 1 bash -c 'exec 3<>/dev/tcp/169.254.169.254/80' 2>/dev/null; }

check_credentials() {
    [ -z "${AWS_ACCESS_KEY_ID:-}" ] || [ -n "${AWS_SECRET_ACCESS_KEY:-}" ] || fail "no AWS credentials: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not"
    [ -z "${AWS_ACCESS_KEY_ID:-}${AWS_WEB_IDENTITY_TOKEN_FILE:-}${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-}" ] || return 0
    [ -z "$(profile_value 'aws_access_key_id|role_arn|sso_session|sso_start_url|credential_process|login_session')" ] || return 0
    in_aws || fail "no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (aws configure makes a profile)"
}

check_region() {
    region=$(setting aws:region "$stack_file")
    if [ -z "$region" ]; then
        region=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(profile_value region)}}
    elif [ -n "${AWS_REGION:-}" ] && [ "$AWS_REGION" != "$region" ]; then
        say "deploy: stack $stack stays in $region, as ${stack_file##*/} says; AWS_REGION=$AWS_REGION is ignored"
    fi
    [ -n "$region" ] || fail "no region: set AWS_REGION, for example AWS_REGION=eu-central-1 (the stack file keeps it from then on)"
}

# Pulumi would fail at the first secret, or ask at each of its several runs.
check_passphrase() {
    case $backend in http*) return ;; esac
    ! grep -qE '^secretsprovider: *[^ p]' "$stack_file" || return 0 # a key service: awskms, gcpkms, hashivault…
    [ -n "${PULUMI_CONFIG_PASSPHRASE+set}" ] || [ -n "${PULUMI_CONFIG_PASSPHRASE_FILE:-}" ] ||
        fail "no passphrase: export PULUMI_CONFIG_PASSPHRASE (or PULUMI_CONFIG_PASSPHRASE_FILE), which encrypts the secrets of stack $stack"
}

check_removable() {
    [ "$(setting http-tunnel:keepTables "$stack_file")" != true ] ||
        fail "stack $stack keeps its tables: set http-tunnel:keepTables to \"false\" in ${stack_file##*/}, run $self $stack, then destroy"
}

# --- What is done.

# The backend that the environment or `pulumi login` has chosen, or a folder of this machine.
choose_backend() {
    local login=${PULUMI_HOME:-$HOME/.pulumi}/credentials.json
    backend=${PULUMI_BACKEND_URL:-}
    [ -n "$backend" ] || backend=$(sed -nE 's/.*"current": *"([^"]+)".*/\1/p' "$login" 2>/dev/null || true)
    if [ -z "$backend" ]; then
        local state=${XDG_STATE_HOME:-$HOME/.local/state}/http-tunnel
        install -d -m 700 "$state"
        backend=file://$state
    fi
    export PULUMI_BACKEND_URL=$backend
}

# `here` is the core's project, `there` the domain's.
here() { pulumi --cwd "$root" "$@"; }
there() { pulumi --cwd "$root/domain" "$@"; }
set_up() { "$1" config set --stack "$stack" "$2" "$3" >&2; }

select_stack() {
    "$1" stack select --create "$stack" >&2
}

# Kept where it was chosen first: another AWS_REGION later must not move the stack.
keep_region() {
    [ "$region" = "$(setting aws:region "$2")" ] || set_up "$1" aws:region "$region"
}

put_handler() {
    local zip=${HANDLER_ZIP:-}
    if [ -z "$zip" ]; then
        [ -n "${HANDLER_DRV:-}" ] || fail "no handler: run this as nix run .#deploy, or name a ready bootstrap.zip in HANDLER_ZIP"
        mkdir -p "$root/build"
        zip=$(nix-store --realise --add-root "$root/build/handler-zip" "$HANDLER_DRV")/bootstrap.zip
    fi
    [ -f "$zip" ] || fail "no handler: HANDLER_ZIP names $zip, which is not there"
    mkdir -p "$root/build"
    install -m 644 "$zip" "$root/build/bootstrap.zip"
}

prepare() {
    put_handler
    select_stack here
    keep_region here "$stack_file"
    [ ! -f "$domain_file" ] || take_domain
}

# The handler tells forwarders their address, so the core has to know the domain.
take_domain() {
    local url
    url="https://{tunnel}.$(setting http-tunnel-domain:domain "$domain_file")"
    [ "$(setting http-tunnel:publicUrl "$stack_file")" = "$url" ] || set_up here publicUrl "$url"
    select_stack there
    keep_region there "$domain_file"
}

# One output of a project's stack; nothing where there is none yet.
output() {
    local outputs
    outputs=$("$1" stack output --stack "$stack" --json)
    sed -nE "s/^ *\"$2\": \"(.*)\",?\$/\1/p" <<<"$outputs"
}

up() {
    prepare
    here up --stack "$stack" "$@"
    # The function's URL is known once the function exists, and the function has to know it.
    local url
    url=$(output here streamUrl)
    if [ -n "$url" ] && [ "$url" != "$(setting http-tunnel:streamUrl "$stack_file")" ]; then
        say "deploy: once more, so that the handler knows its own URL"
        set_up here streamUrl "$url"
        here up --stack "$stack" "$@" --yes --skip-preview
    fi
    [ ! -f "$domain_file" ] || there up --stack "$stack" "$@"
    show
}

preview() {
    prepare
    here preview --stack "$stack" "$@"
    [ -f "$domain_file" ] || return 0
    if [ -n "$(output here wsApiId)" ]; then
        there preview --stack "$stack" "$@"
    else
        say "deploy: the domain can be previewed once the rest is there"
    fi
}

destroy() {
    if [ -f "$domain_file" ]; then
        select_stack there
        there destroy --stack "$stack" "$@"
    fi
    here stack select "$stack"
    here destroy --stack "$stack" "$@"
    # Another function will have another URL.
    ! configured http-tunnel:streamUrl "$stack_file" || here config rm --stack "$stack" streamUrl
}

show() {
    local project=here
    [ ! -f "$domain_file" ] || project=there
    [ -n "$(output "$project" endpoint)" ] || fail "stack $stack is not up: run $self $stack (its state is in $backend)"
    echo
    echo "public URL    $(output "$project" publicUrl)"
    echo "streamed      $(output here streamUrl)"
    echo "forwarder     $(output "$project" forwarder)"
    ! encrypted http-tunnel:token "$stack_file" || echo "the token     $self token --print $stack"
    echo "cost at rest  \$0 (of the account's free 10 alarms and 3 dashboards it takes 5 and 1)"
}

# Not called pulumi, which would be itself.
engine() {
    select_stack here
    here "$@" --stack "$stack"
}

token() {
    if [ "$1" = print ]; then
        here stack select "$stack" >&2
        here config get --stack "$stack" token
        return
    fi
    select_stack here
    # Through a pipe: a process list shows arguments.
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' | here config set --stack "$stack" --secret token
    say "deploy: a new token is in ${stack_file##*/}, encrypted; it counts from the next $self $stack on"
    say "deploy: read it with: $self token --print $stack"
}

main() {
    local command=up print=
    case ${1:-} in
    up | preview | destroy | show | token | pulumi) command=$1 && shift ;;
    help | -h | --help) echo "$usage" && return ;;
    esac
    if [ "$command" = token ] && [ "${1:-}" = --print ]; then
        print=print
        shift
    fi
    stack=dev
    case ${1:-} in
    "" | -*) ;;
    *) stack=$1 && shift ;;
    esac
    export PULUMI_SKIP_UPDATE_CHECK=true PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true
    find_checkout
    find_stack
    choose_backend
    check_passphrase
    case $command in
    token | show | pulumi) ;;
    *) check_credentials && check_region ;;
    esac
    case $command in
    up | preview) check_settings ;;
    destroy) check_removable ;;
    token) set -- "$print" ;;
    pulumi) command=engine ;;
    esac
    "$command" "$@"
}

main "$@"
