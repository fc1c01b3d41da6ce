# The functions of nixpkgs' lib that the flake calls.
rec {
  inherit (builtins)
    concatLists
    concatStringsSep
    filter
    mapAttrs
    stringLength
    substring
    ;
  licenses.mit.spdxId = "MIT";

  genAttrs =
    names: f:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = f name;
      }) names
    );
  mapAttrsToList = f: attrs: map (name: f name attrs.${name}) (builtins.attrNames attrs);
  optional = condition: x: optionals condition [ x ];
  optionals = condition: xs: if condition then xs else [ ];
  optionalString = condition: text: if condition then text else "";
  subtractLists = xs: filter (x: !builtins.elem x xs);

  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      rest = stringLength text - stringLength suffix;
    in
    rest >= 0 && substring rest (-1) text == suffix;
  removePrefix =
    prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;
  concatMapStrings = f: xs: concatStringsSep "" (map f xs);

  getExe = package: "${package}/bin/${package.meta.mainProgram or package.name}";
  makeBinPath = packages: concatStringsSep ":" (map (package: "${package}/bin") packages);

  # A set of files is a path, or a predicate on paths as text. Folders are kept, with or without files.
  fileset = rec {
    has =
      set: path:
      if builtins.isFunction set then
        set path
      else
        path == toString set || hasPrefix "${toString set}/" path;
    difference =
      all: without: path:
      has all path && !has without path;
    unions = sets: path: builtins.any (set: has set path) sets;
    toSource =
      { root, fileset }:
      builtins.path {
        name = "source";
        path = root;
        filter = path: type: type == "directory" || has fileset path;
      };
  };
}
