%% The ACME client of ejabberd: a certificate of each kind of key by http-01, revoked with the key that it was issued for.
%% Arguments: directory, root, folder of http-01 challenges
main([Directory, Root, Challenges]) ->
    {ok, _} = application:ensure_all_started(p1_acme),
    {ok, Pem} = file:read_file(Root),
    Roots = [public_key:pkix_decode_cert(Der, otp) || {_, Der, _} <- public_key:pem_decode(Pem)],
    Serve = fun(Tokens) ->
        [ok = file:write_file(filename:join(Challenges, Token), Key) || #{token := Token, key := Key} <- Tokens],
        ok
    end,
    [live(Directory, Roots, Serve, Kinds) || Kinds <- [{ec, rsa}, {rsa, ec}]].

live(Directory, Roots, Serve, {Account, Certificate}) ->
    Options = [{challenge_fun, Serve}, {cert_type, Certificate}, {ca_certs, Roots}, {contact, [<<"mailto:ops@example.com">>]}],
    {ok, #{cert_chain := [Leaf | Chain], cert_key := Key}} =
        p1_acme:issue(Directory, ["erlang.localhost"], p1_acme:generate_key(Account), Options),
    ok = p1_acme:revoke(Directory, Leaf, Key),
    Encode = fun(One) -> {'Certificate', public_key:pkix_encode('OTPCertificate', One, otp), not_encrypted} end,
    io:put_chars(public_key:pem_encode([Encode(One) || One <- [Leaf | Chain]])).
