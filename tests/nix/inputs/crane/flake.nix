{
  outputs = _: {
    mkLib = pkgs: import ./lib.nix pkgs;
  };
}
