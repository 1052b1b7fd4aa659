// Reads a list of jobs as JSON from standard input, does each with gorilla/securecookie, and prints the list of results.
package main

import (
	"bytes"
	"crypto/sha512"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/gorilla/securecookie"
)

type job struct {
	Name       string          `json:"name"`
	Hash       string          `json:"hash"`
	HashKey    string          `json:"hashKey"`
	BlockKey   string          `json:"blockKey"`
	Serializer string          `json:"serializer"`
	Value      json.RawMessage `json:"value"` // what to encode; bytes as hex
	Text       string          `json:"text"`  // what to decode
}

type result struct {
	Value any    `json:"value"`
	Text  string `json:"text"`
	Error string `json:"error"`
}

// JSONSessions writes sessions and ids as JSON, and still reads the gobs from before it.
// docs/migrating.md shows it.
type JSONSessions struct{}

func (JSONSessions) Serialize(src interface{}) ([]byte, error) {
	values, ok := src.(map[interface{}]interface{})
	if !ok {
		return json.Marshal(src)
	}
	named := make(map[string]interface{}, len(values))
	for key, value := range values {
		named[fmt.Sprint(key)] = value
	}
	return json.Marshal(named)
}

func (JSONSessions) Deserialize(data []byte, dst interface{}) error {
	values, ok := dst.(*map[interface{}]interface{})
	if !ok {
		if json.Unmarshal(data, dst) == nil {
			return nil
		}
		return securecookie.GobEncoder{}.Deserialize(data, dst)
	}
	named := map[string]interface{}{}
	if json.Unmarshal(data, &named) != nil {
		return securecookie.GobEncoder{}.Deserialize(data, dst)
	}
	*values = make(map[interface{}]interface{}, len(named))
	for key, value := range named {
		(*values)[key] = value
	}
	return nil
}

func codecOf(j job) (*securecookie.SecureCookie, error) {
	hashKey, err := hex.DecodeString(j.HashKey)
	if err != nil {
		return nil, err
	}
	var blockKey []byte
	if j.BlockKey != "" {
		if blockKey, err = hex.DecodeString(j.BlockKey); err != nil {
			return nil, err
		}
	}
	codec := securecookie.New(hashKey, blockKey)
	if j.Hash == "sha512" {
		codec.HashFunc(sha512.New)
	}
	switch j.Serializer {
	case "json":
		codec.SetSerializer(securecookie.JSONEncoder{})
	case "nop":
		codec.SetSerializer(securecookie.NopEncoder{})
	case "gob-string", "gob-session":
	case "json-session":
		codec.SetSerializer(JSONSessions{})
	default:
		return nil, fmt.Errorf("no serializer is called %q", j.Serializer)
	}
	return codec, nil
}

func encode(codec *securecookie.SecureCookie, j job) (string, error) {
	var value interface{}
	if err := json.Unmarshal(j.Value, &value); err != nil {
		return "", err
	}
	switch j.Serializer {
	case "nop":
		data, err := hex.DecodeString(value.(string))
		if err != nil {
			return "", err
		}
		return codec.Encode(j.Name, data)
	case "json-session", "gob-session":
		if named, ok := value.(map[string]interface{}); ok {
			values := map[interface{}]interface{}{}
			for key, value := range named {
				values[key] = value
			}
			return codec.Encode(j.Name, values)
		}
	}
	return codec.Encode(j.Name, value)
}

func decode(codec *securecookie.SecureCookie, j job) (interface{}, error) {
	switch j.Serializer {
	case "nop":
		var data []byte
		err := codec.Decode(j.Name, j.Text, &data)
		return hex.EncodeToString(data), err
	case "gob-string":
		var text string
		err := codec.Decode(j.Name, j.Text, &text)
		return text, err
	case "json-session":
		values := map[interface{}]interface{}{}
		err := codec.Decode(j.Name, j.Text, &values)
		named := map[string]interface{}{}
		for key, value := range values {
			named[fmt.Sprint(key)] = value
		}
		return named, err
	default:
		var value interface{}
		err := codec.Decode(j.Name, j.Text, &value)
		return value, err
	}
}

func run(j job) (r result) {
	codec, err := codecOf(j)
	if err == nil && j.Text != "" {
		r.Value, err = decode(codec, j)
	} else if err == nil {
		r.Text, err = encode(codec, j)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

func main() {
	gob.Register(map[interface{}]interface{}{})
	var jobs []job
	in := new(bytes.Buffer)
	if _, err := in.ReadFrom(os.Stdin); err != nil {
		panic(err)
	}
	if err := json.Unmarshal(in.Bytes(), &jobs); err != nil {
		panic(err)
	}
	results := make([]result, len(jobs))
	for i, j := range jobs {
		results[i] = run(j)
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		panic(err)
	}
}
