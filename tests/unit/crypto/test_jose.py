"""Tokens are read strictly, and each refusal says why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey

from hansa.kernel import Code, HansaError
from hansa.kernel.crypto import PublicKey, SigningKey, jose
from hansa.kernel.crypto.keys import b64url, b64url_bytes

KEY = SigningKey.generate()


def token(claims: Any = None, **headers: Any) -> str:
    return jose.sign(claims or {"a": 1}, KEY, {"typ": "JWT", "kid": "k", **headers})


def forged(header: str, payload: str, signature: bytes = b"x" * 64) -> str:
    return ".".join([b64url(header.encode()), b64url(payload.encode()), b64url(signature)])


def refusal(text: str) -> tuple[Code, str]:
    with pytest.raises(HansaError) as caught:
        jose.read(text).verify(KEY.public)
    assert caught.value.status == 401
    return caught.value.code, caught.value.facts["reason"]


def test_what_is_signed_verifies_and_reads_the_same() -> None:
    found = jose.read(token({"a": "ö", "n": [1, 2.5, None]}, cty="vc"))
    assert (found.algorithm, found.kid, found.typ) == ("ES256", "k", "jwt")
    assert found.verify(KEY.public) == {"a": "ö", "n": [1, 2.5, None]}


def test_an_independent_library_agrees_with_our_signatures() -> None:
    key = ECKey.import_key(KEY.public.jwk)
    assert json.loads(jws.deserialize_compact(token({"a": 1}), key).payload) == {"a": 1}


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("ES256", ECKey.generate_key("P-256")),
        ("ES384", ECKey.generate_key("P-384")),
        ("Ed25519", OKPKey.generate_key("Ed25519")),
    ],
)
def test_signatures_of_an_independent_library_verify(algorithm: str, key: Any) -> None:
    text = jws.serialize_compact({"alg": algorithm}, b'{"a":1}', key, algorithms=[algorithm])
    public = PublicKey.of_jwk(key.as_dict(private=False))
    assert jose.read(text).verify(public) == {"a": 1}
    assert public.thumbprint == key.thumbprint()


def test_the_example_of_rfc_7515_a_3_verifies() -> None:
    key = PublicKey.of_jwk(
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }
    )
    text = (
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
        "LmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISl"
        "SApmWQxfKTUJqPP3-Kg6NU1Q"
    )
    assert jose.read(text).verify(key)["iss"] == "joe"


def test_the_example_of_rfc_8037_a_4_verifies() -> None:
    key = PublicKey.of_jwk(
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    )
    assert key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    signature = b64url_bytes(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )
    message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    assert key.verify("EdDSA", message, signature)
    assert not key.verify("EdDSA", message + b"x", signature)


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS256", "ES512", "ES256K", "", 1])
def test_an_algorithm_that_is_not_listed_is_refused(algorithm: Any) -> None:
    text = forged(json.dumps({"alg": algorithm}), "{}")
    assert refusal(text) == (Code.token_signature, "alg_not_allowed")


def test_a_token_without_signature_is_refused() -> None:
    head, body, _ = token().split(".")
    assert refusal(f"{head}.{body}.") == (Code.token_signature, "bad_signature")
    none = forged('{"alg":"none"}', '{"a":1}', b"")
    assert refusal(none) == (Code.token_signature, "alg_not_allowed")


def test_the_public_key_is_no_hmac_secret() -> None:
    secret = OctKey.import_key(json.dumps(KEY.public.jwk))
    text = jws.serialize_compact({"alg": "HS256"}, b'{"a":1}', secret)
    assert refusal(text) == (Code.token_signature, "alg_not_allowed")


def test_an_algorithm_that_does_not_fit_the_key_is_refused() -> None:
    other = ECKey.generate_key("P-384")
    text = jws.serialize_compact({"alg": "ES384"}, b'{"a":1}', other, algorithms=["ES384"])
    assert refusal(text) == (Code.token_signature, "alg_mismatch")
    assert not KEY.public.verify("ES384", b"x", b"x" * 96)


def test_a_changed_payload_is_refused() -> None:
    head, _, signature = token().split(".")
    text = ".".join([head, b64url(b'{"a":2}'), signature])
    assert refusal(text) == (Code.token_signature, "bad_signature")


def test_a_signature_in_der_is_refused() -> None:
    head, body, _ = token().split(".")
    private = ec.generate_private_key(ec.SECP256R1())
    der = private.sign(f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    assert refusal(f"{head}.{body}.{b64url(der)}") == (Code.token_signature, "bad_signature")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "shape"),
        ("a.b", "shape"),
        ("a.b.c.d", "shape"),
        ("a.b.c\n", "shape"),
        ("ä.b.c", "shape"),
        ("e30=.e30.AAAA", "shape"),
        ("e3 0.e30.AAAA", "shape"),
        ("x" * (32 * 1024 + 1), "too_large"),
        (forged('{"alg":"ES256","alg":"none"}', "{}"), "json"),
        (forged('{"alg":"ES256"}', '{"iss":"a","iss":"b"}'), "json"),
        (forged('{"alg":"ES256"}', '{"a":{"b":1,"b":2}}'), "json"),
        (forged('{"alg":"ES256"}', "[]"), "json"),
        (forged('{"alg":"ES256"}', "{"), "json"),
        (forged('{"alg":"ES256"}', '{"exp":NaN}'), "json"),
        (forged('{"alg":"ES256"}', '{"exp":' + "9" * 5000 + "}"), "json"),
        (forged('"ES256"', "{}"), "json"),
        (forged('{"alg":"ES256"}', '{"a":' * 33 + "1" + "}" * 33), "too_deep"),
        (forged('{"alg":"ES256"}', '{"a":' + "[" * 20000), "too_deep"),
        (forged('{"alg":"ES256","crit":["b64"],"b64":false}', "{}"), "crit"),
        (forged('{"alg":"ES256","kid":1}', "{}"), "header"),
        (forged('{"alg":"ES256","typ":["JWT"]}', "{}"), "header"),
    ],
)
def test_a_token_that_is_not_well_formed_is_refused(text: str, reason: str) -> None:
    assert refusal(text) == (Code.token_malformed, reason)


def test_invalid_utf_8_is_refused() -> None:
    text = ".".join([b64url(b'{"alg":"ES256"}'), b64url(b'{"a":"\xff"}'), "AAAA"])
    assert refusal(text) == (Code.token_malformed, "json")


def test_brackets_inside_strings_are_not_depth() -> None:
    assert jose.read(token({"a": "[{" * 100, "b": '\\"[' * 50})).claims["a"] == "[{" * 100


def test_a_truncated_token_is_refused_wherever_it_is_cut() -> None:
    text = token()
    for length in range(len(text)):
        assert refusal(text[:length])[0] in (Code.token_malformed, Code.token_signature)


@given(st.text(max_size=200))
def test_no_text_makes_anything_but_a_refusal(text: str) -> None:
    assert refusal(text)[0] in (Code.token_malformed, Code.token_signature)


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80))
def test_no_bytes_make_anything_but_a_refusal(head: bytes, body: bytes, tail: bytes) -> None:
    text = ".".join([b64url(head), b64url(body), b64url(tail)])
    assert refusal(text)[0] in (Code.token_malformed, Code.token_signature)


P384 = ECKey.generate_key("P-384").as_dict(private=False)
P521 = ECKey.generate_key("P-521").as_dict(private=False)
X25519 = OKPKey.generate_key("X25519").as_dict(private=False)
PRIVATE = ECKey.generate_key("P-256").as_dict(private=True)


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {**KEY.public.jwk, "crv": "P-384"},
        {**KEY.public.jwk, "y": KEY.public.jwk["x"]},
        {**KEY.public.jwk, "x": "AAAA"},
        {**KEY.public.jwk, "x": 5},
        {**KEY.public.jwk, "use": "enc"},
        {**KEY.public.jwk, "alg": "ES384"},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        P521,
        X25519,
        PRIVATE,
    ],
)
def test_a_key_that_is_not_usable_is_refused(jwk: dict[str, Any]) -> None:
    with pytest.raises(HansaError) as caught:
        PublicKey.of_jwk(jwk)
    assert (caught.value.code, caught.value.facts["field"]) == (Code.invalid_field, "publicKeyJwk")


def test_keys_are_equal_by_their_thumbprint() -> None:
    again = PublicKey.of_jwk({**KEY.public.jwk, "kid": "x", "alg": "ES256", "use": "sig"})
    assert again == KEY.public
    assert hash(again) == hash(KEY.public)
    assert PublicKey.of_jwk(P384) != KEY.public
    assert KEY.public.jwk["x"] not in repr(SigningKey.of_der(KEY.der()))


def test_ed25519_also_verifies_under_its_older_name() -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes_raw()
    public = PublicKey.of_jwk({"kty": "OKP", "crv": "Ed25519", "x": b64url(raw)})
    head = ".".join([b64url(b'{"alg":"EdDSA"}'), b64url(b'{"a":1}')])
    assert jose.read(f"{head}.{b64url(private.sign(head.encode()))}").verify(public) == {"a": 1}
