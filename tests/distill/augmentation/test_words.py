from distill.augmentation.words import differing, find_words, replacements_of


def test_words_stand_where_they_stand(tokenizer):
    text = "the  unhappy film, 7."
    (found,) = find_words([text], tokenizer, 32)
    assert [word.text for word in found.words] == ["the", "unhappy", "film"]
    assert [text[word.start : word.end] for word in found.words] == ["the", "unhappy", "film"]
    assert [len(word.pieces) for word in found.words] == [1, 2, 1]
    assert [found.ids[word.place] for word in found.words] == [word.pieces[0] for word in found.words]


def test_words_behind_the_longest_input_are_not_found(tokenizer):
    (found,) = find_words(["good film the movie"], tokenizer, 4)
    assert [word.text for word in found.words] == ["good", "film"]
    assert len(found.ids) == 4


def test_only_whole_words_of_letters_replace(tokenizer):
    found = replacements_of(tokenizer)
    assert set(found.words) == {"good", "bad", "film", "movie", "the", "un", "happy", "was", "very"}
    assert [tokenizer.convert_ids_to_tokens(number) for number in found.ids.tolist()] == list(found.words)


def test_a_word_is_no_candidate_of_its_own_and_keeps_its_capital():
    assert differing(["film", "movie", "the"], "Film", 1) == ("Movie",)
    assert differing(["film", "movie", "the"], "film", 5) == ("movie", "the")


def test_contractions_stay_whole(tokenizer):
    (found,) = find_words(["the film's good , isn't movie 's bad"], tokenizer, 32)
    assert [word.text for word in found.words] == ["the", "film", "good", "movie", "bad"]
